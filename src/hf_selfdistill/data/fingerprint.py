"""Hash of the names and labels of videos, for comparisons across machines."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import datasets

__all__ = ["fingerprint", "relative_path"]

_IN_CACHE = re.compile(r"^.*/snapshots/[0-9a-f]{40}/")  # huggingface_hub's cache; its path differs between machines


def fingerprint(records: datasets.Dataset, root: str | Path | None = None) -> str:
    """Return the SHA-256 of the sorted lines `name<tab>label` of a part of a data set, joined by newlines, in UTF-8.

    A video without a path has the SHA-256 of its bytes as its name.

    Args:
        records: videos, with the columns `video` (not decoded) and `label`; without `label` a line is `name`.
        root: folder that names are relative to. By default the names of files from the Hub are relative to their
            repository, and other names are whole paths.
    """
    lines = [_name(video, root) for video in records["video"]]
    if "label" in records.features:
        label = records.features["label"].int2str
        lines = [f"{line}\t{label(number)}" for line, number in zip(lines, records["label"], strict=True)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def relative_path(path: str, root: str | Path | None) -> str:
    """Return a path relative to `root`; if that is None, a path in the Hub's cache relative to its repository."""
    path = _IN_CACHE.sub("", path) if root is None else os.path.relpath(path, root)
    return Path(path).as_posix()


def _name(video: dict[str, str | bytes | None], root: str | Path | None) -> str:
    path, content = video["path"], video["bytes"]
    if isinstance(path, str):
        return relative_path(path, root)
    assert isinstance(content, bytes)
    return hashlib.sha256(content).hexdigest()
