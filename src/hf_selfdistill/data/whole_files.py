"""Atomic writing of files, and their hashes."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "check_writable",
    "hash_of_file",
    "whole_file",
    "without_nan",
    "write_json",
    "write_tensors",
    "write_whole",
]


def check_writable(folder: Path) -> None:
    """Make a folder if it is missing, and raise an OSError if no file can be written into it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """Give a temporary file to write, and move it into place at the end: a full disk or a kill leaves the old file."""
    unfinished = file.with_name(f".{file.name}.{uuid.uuid4().hex}.part")  # unlike a process id, unique among machines
    try:
        yield unfinished
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def write_whole(file: Path, content: str | bytes) -> None:
    """Write text, as UTF-8, or bytes with `whole_file`."""
    with whole_file(file) as unfinished:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(file: Path, fields: dict[str, Any]) -> None:
    """Write a JSON file with `write_whole`: dictionaries are indented, each element of a list has its own line."""
    lines = ",\n  ".join(f"{json.dumps(name)}: {_indented(value)}" for name, value in without_nan(fields).items())
    write_whole(file, f"{{\n  {lines}\n}}\n")


def write_tensors(file: Path, tensors: Mapping[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Write tensors, in any memory format, and texts about them with `whole_file`, as safetensors."""
    from safetensors.torch import save_file  # loads PyTorch

    with whole_file(file) as unfinished:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished, about)


def hash_of_file(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def without_nan(value: Any) -> Any:
    """Return a value with None in place of numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {name: without_nan(of) for name, of in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(of) for of in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _indented(value: Any) -> str:
    if isinstance(value, list) and value:
        elements = ",\n    ".join(json.dumps(element, ensure_ascii=False) for element in value)
        return f"[\n    {elements}\n  ]"
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n  ")  # JSON escapes line breaks in strings
