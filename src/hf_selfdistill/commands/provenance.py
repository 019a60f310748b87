"""What a result was made with and made from."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import av
from datasets import Dataset

from hf_selfdistill.commands.cards import root_of_names
from hf_selfdistill.commands.datasets import DatasetArguments
from hf_selfdistill.commands.unlabelled import UnlabelledArguments
from hf_selfdistill.data.fingerprint import fingerprint

__all__ = ["hash_of_data", "hash_of_model", "hashes_of_parts", "provenance"]


def provenance() -> dict[str, str]:
    """`commit` of the checkout that the package runs from, or its version, and `decoder`."""
    here = Path(__file__)
    tracked = _git(here, "ls-files", here.name)
    commit = _git(here, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40") if tracked else ""
    return {"commit": commit or version("hf_selfdistill"), "decoder": f"PyAV {av.__version__}"}


def hash_of_model(name: str) -> dict[str, str]:
    """SHA-256 of a model's configuration and weights, as `encoder_hash`; nothing of a name on the Hub."""
    folder = Path(name)
    weights = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not weights:
        return {}
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (folder / "config.json", *weights)]
    return {"encoder_hash": _together(digests)}


def hash_of_data(data: DatasetArguments) -> str:
    """One of all parts of a data set, and of which videos are in which."""
    parts = data.load()
    return _together(hashes_of_parts({name: parts[name] for name in sorted(parts) if len(parts[name])}, data).values())


def hashes_of_parts(parts: Mapping[str, Dataset], data: DatasetArguments | UnlabelledArguments) -> dict[str, str]:
    """`train_hash`, `validation_hash` and `test_hash`, or what of them there is: the `fingerprint` of each part."""
    return {f"{part}_hash": fingerprint(records, root_of_names(data)) for part, records in parts.items()}


def _together(hashes: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _git(file: Path, *words: str) -> str:
    try:
        said = subprocess.run(["git", *words], cwd=file.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or no checkout
        return ""
    return said.stdout.strip()
