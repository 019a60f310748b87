import subprocess
from importlib.metadata import version
from pathlib import Path

import av

from hf_selfdistill.commands import provenance as module
from hf_selfdistill.commands.provenance import provenance


def test_a_checkout_is_named_by_its_commit_and_whether_it_was_changed(tmp_path, monkeypatch):
    file = tmp_path / "provenance.py"
    file.write_text("")
    for words in (
        ["init", "-q"],
        ["add", "provenance.py"],
        ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(module, "__file__", str(file))
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True).stdout.strip()
    assert provenance() == {"commit": head, "decoder": f"PyAV {av.__version__}"}
    file.write_text("changed")
    assert provenance()["commit"] == f"{head}-dirty"


def test_an_installed_package_is_named_by_its_version(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "__file__", str(Path(tmp_path) / "provenance.py"))
    assert provenance()["commit"] == version("hf_selfdistill")
