import subprocess
from importlib.metadata import version
from pathlib import Path

import av
import pytest

from hf_selfdistill.commands import provenance as module
from hf_selfdistill.commands.datasets import DatasetArguments
from hf_selfdistill.commands.provenance import hash_of_data, hash_of_model, hashes_of_parts, provenance


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


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_model_is_known_by_its_weights_wherever_it_lies(tmp_path, weights):
    for place, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "config.json").write_text("{}")
        (tmp_path / place / weights).write_bytes(content)
    (tmp_path / "b" / "objective.safetensors").write_bytes(b"heads, which fine-tuning does not read")
    one, moved, other = (hash_of_model(str(tmp_path / place)) for place in "abc")
    assert one == moved != other and one.keys() == {"encoder_hash"}
    assert hash_of_model("c3d") == hash_of_model("someone/model") == {}


def test_a_video_more_changes_the_hash_of_its_part_and_of_the_whole(shapes):
    data = DatasetArguments("moving_shapes", str(shapes))
    parts = data.load()
    whole = hashes_of_parts(parts, data)
    fewer = hashes_of_parts({**parts, "test": parts["test"].select(range(1, len(parts["test"])))}, data)
    assert whole.keys() == {"train_hash", "validation_hash", "test_hash"}
    assert [name for name in whole if whole[name] != fewer[name]] == ["test_hash"]


def test_a_data_set_is_another_one_where_its_parts_have_changed_places(shapes, monkeypatch):
    data = DatasetArguments("moving_shapes", str(shapes))
    parts, before = data.load(), hash_of_data(data)
    assert hash_of_data(data) == before
    exchanged = {**parts, "train": parts["test"], "test": parts["train"]}
    monkeypatch.setattr(DatasetArguments, "load", lambda self: exchanged)
    assert hash_of_data(data) != before
