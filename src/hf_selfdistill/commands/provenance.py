"""What a result was made with."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import av

__all__ = ["provenance"]


def provenance() -> dict[str, str]:
    """`commit` of the checkout that the package runs from, or its version, and `decoder`."""
    here = Path(__file__)
    tracked = _git(here, "ls-files", here.name)
    commit = _git(here, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40") if tracked else ""
    return {"commit": commit or version("hf_selfdistill"), "decoder": f"PyAV {av.__version__}"}


def _git(file: Path, *words: str) -> str:
    try:
        said = subprocess.run(["git", *words], cwd=file.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or no checkout
        return ""
    return said.stdout.strip()
