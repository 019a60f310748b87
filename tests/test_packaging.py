"""What a user gets by `pip install`: the built distributions, looked into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = (
    "src",
    "pyproject.toml",
    "setup.cfg",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "configs",
    "scripts",
)


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """A wheel and an sdist, built from a copy so that nothing is left in the checkout, and without network."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / name, source / name)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(built.glob("*.whl")), next(built.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(distributions):
    return zipfile.ZipFile(distributions[0])


def files_of_the_package():
    package = ROOT / "src" / "hf_selfdistill"
    return {
        file.relative_to(package.parent).as_posix()
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel):
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == files_of_the_package()
    for needed in ("py.typed", "training/metrics/topk_accuracy/topk_accuracy.py", "training/templates/model_card.md"):
        assert f"hf_selfdistill/{needed}" in names


def test_the_wheel_brings_the_console_command(wheel):
    (entry_points,) = (wheel.read(name).decode() for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "hf-selfdistill = hf_selfdistill.cli.console:main" in entry_points


def test_the_sdist_holds_the_scripts_and_the_recipes_too(distributions):
    with tarfile.open(distributions[1]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {f"src/{name}" for name in files_of_the_package()} <= names
    assert {"scripts/finetune.py", "configs/ucf101_c3d.yaml", "LICENSE", "pyproject.toml"} <= names


def test_the_installed_wheel_runs_from_any_folder_without_the_checkout(distributions, tmp_path):
    site = tmp_path / "site"
    flags = ["--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *flags, str(distributions[0])], check=True)
    code = "import hf_selfdistill, sys; from hf_selfdistill.cli.console import main; main(['--help']); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(hf_selfdistill.__file__)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
    )
    assert done.stdout.splitlines()[-1] == str(site / "hf_selfdistill" / "__init__.py")
    assert "  finetune " in done.stdout
