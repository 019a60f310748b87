"""Hash of the names and labels of videos, for comparisons across machines."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
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
    lines = list(_names(records, None if root is None else os.path.abspath(root)))
    if "label" in records.features:
        labels = records.features["label"].int2str(records["label"][:])
        lines = [f"{line}\t{label}" for line, label in zip(lines, labels, strict=True)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _names(records: datasets.Dataset, root: str | None) -> Iterator[str]:
    for batch in records.select_columns("video").with_format("arrow").iter(batch_size=100):
        for chunk in batch["video"].chunks:
            contents = chunk.field("bytes")
            for index, path in enumerate(chunk.field("path").to_pylist()):
                yield (
                    hashlib.sha256(contents[index].as_py()).hexdigest() if path is None else relative_path(path, root)
                )


def relative_path(path: str, root: str | Path | None) -> str:
    """Return a path relative to `root`; if that is None, a path in the Hub's cache relative to its repository."""
    if root is None:
        return Path(_IN_CACHE.sub("", path)).as_posix()
    root = str(root)
    if path.startswith(root + os.sep) and os.path.normpath(path) == path:  # much faster than `relpath`
        return path[len(root) + 1 :].replace(os.sep, "/")
    return Path(os.path.relpath(path, root)).as_posix()
