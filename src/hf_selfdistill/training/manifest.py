"""Manifest of a checkpoint: the sizes and hashes of its files."""

from __future__ import annotations

import json
import logging
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

from hf_selfdistill.data.whole_files import hash_of_file, write_json

__all__ = ["MANIFEST", "check_manifest", "write_manifest"]

MANIFEST = "manifest.json"

logger = logging.getLogger(__name__)


def write_manifest(checkpoint: Path) -> None:
    """Write the manifest of a checkpoint whose other files are complete."""
    names = sorted(str(file.relative_to(checkpoint)) for file in checkpoint.rglob("*") if file.is_file())
    files = {name: _describe(checkpoint / name) for name in names if name != MANIFEST}
    write_json(checkpoint / MANIFEST, {"files": files})


def check_manifest(checkpoint: Path) -> None:
    """Compare the files of a checkpoint with its manifest; warn if there is none, as in older checkpoints.

    Raises:
        ValueError: a file is missing, differs or can't be read, or the manifest is damaged.
    """
    file = checkpoint / MANIFEST
    if not file.is_file():
        logger.warning("%s has no %s, as an earlier version made it: its files are not checked", checkpoint, MANIFEST)
        _check_readable(checkpoint)
        return
    try:
        files = json.loads(file.read_text(encoding="utf-8"))["files"].items()
        damaged = [name for name, own in files if own != _describe(checkpoint / name)]
    except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"{checkpoint} does not fit its {MANIFEST} ({' '.join(str(error).split())}); resume from another "
            "checkpoint"
        ) from None
    if damaged:
        raise ValueError(
            f"{checkpoint} is damaged: {', '.join(damaged)} differs from {MANIFEST}; resume from another checkpoint"
        )


def _check_readable(checkpoint: Path) -> None:
    for file in sorted(checkpoint.iterdir()):
        try:
            if file.suffix == ".json":
                readable = isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
            elif file.suffix in (".pt", ".pth"):
                with zipfile.ZipFile(file) as archive:
                    readable = archive.testzip() is None
            else:
                if file.suffix == ".safetensors":
                    safe_open(file, "pt")
                readable = True
        except (OSError, ValueError, RuntimeError, SafetensorError, zipfile.BadZipFile):
            readable = False
        if not readable:
            raise ValueError(f"{file} is damaged; resume from another checkpoint")


def _describe(file: Path) -> dict[str, int | str]:
    return {"bytes": file.stat().st_size, "sha256": hash_of_file(file)}
