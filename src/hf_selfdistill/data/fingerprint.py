"""Which videos, with which labels: a hash that two people can compare."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import datasets

__all__ = ["fingerprint"]

_IN_CACHE = re.compile(r"^.*/snapshots/[0-9a-f]{40}/")  # of huggingface_hub, which is elsewhere on another machine


def fingerprint(records: datasets.Dataset, root: str | Path | None = None) -> str:
    """SHA-256 of the sorted lines `name<tab>label` of a part of a data set, joined by newlines, in UTF-8.

    Args:
        records: columns `video` (not decoded) and `label`; without labels a line is `name`.
        root: folder that names are relative to; by default, of files of the Hub, that of the repository. Of a video
            without a path, the hash of its bytes is its name.
    """
    lines = [_name(video, root) for video in records["video"]]
    if "label" in records.features:
        label = records.features["label"].int2str
        lines = [f"{line}\t{label(number)}" for line, number in zip(lines, records["label"], strict=True)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _name(video: dict[str, str | bytes | None], root: str | Path | None) -> str:
    path, content = video["path"], video["bytes"]
    if isinstance(path, str):
        path = _IN_CACHE.sub("", path) if root is None else os.path.relpath(path, root)
        return Path(path).as_posix()
    assert isinstance(content, bytes)
    return hashlib.sha256(content).hexdigest()
