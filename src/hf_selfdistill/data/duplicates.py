"""Videos that occur twice in a data set, found by their contents."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path

import datasets
import pyarrow.compute

from hf_selfdistill.data.whole_files import hash_of_file

__all__ = ["check_duplicates"]

logger = logging.getLogger(__name__)

HEAD = 2**16  # bytes that are compared before whole files

_Place = tuple[str, int]  # part and index


def check_duplicates(videos: datasets.DatasetDict, source: str, refuse: bool = True) -> None:
    """Refuse a video that is in two parts, or that a cut of the training part could bring into two parts.

    Videos of the same size are compared by their first bytes, then by the SHA-256 of their contents.

    Args:
        videos: splits with the columns `video` (not decoded), `label` and `group`; train is cut if one is missing.
        source: list or folder that defines the splits, for the message.
        refuse: False logs a warning in place of the error, for lists that are not the user's own.

    Raises:
        ValueError: two parts or two groups of the part to be cut share contents; the message names the first videos.
    """
    sizes = {
        (part, index): size for part, records in videos.items() for index, size in enumerate(_sizes(records)) if size
    }

    def digest(place: _Place, length: int | None = None) -> str:
        video = videos[place[0]][place[1]]["video"]
        if video["bytes"] is not None:
            return hashlib.sha256(video["bytes"][:length]).hexdigest()
        try:
            if length is None:
                return hash_of_file(Path(video["path"]))
            with open(video["path"], "rb") as stream:
                return hashlib.sha256(stream.read(length)).hexdigest()
        except OSError:  # unreadable files are named when they are read
            return repr(place)

    same: Iterable[list[_Place]] = _regrouped([list(sizes)], sizes.__getitem__)
    same = _regrouped(_regrouped(same, lambda place: digest(place, HEAD)), digest)
    leaks = [places for places in same if _is_leak(videos, places)]
    if not leaks:
        return
    names = [_name(videos, place) for place in leaks[0]]
    message = f"{source}: {' and '.join(names[:2])} have the same contents; keep one of the two"
    message += f" ({len(leaks)} videos occur more than once)" if len(leaks) > 1 else ""
    if refuse:
        raise ValueError(message)
    logger.warning("%s", message)


def _sizes(records: datasets.Dataset) -> Iterator[int]:
    """Yield the size of each video in bytes, 0 for a missing file."""
    for batch in records.select_columns("video").with_format("arrow").iter(batch_size=100):
        column = batch["video"].combine_chunks()
        lengths = pyarrow.compute.binary_length(column.field("bytes")).to_pylist()
        for path, length in zip(column.field("path").to_pylist(), lengths, strict=True):
            try:
                yield os.stat(path).st_size if length is None else length
            except (OSError, ValueError):
                yield 0


def _regrouped(groups: Iterable[list[_Place]], key: Callable[[_Place], Hashable]) -> Iterator[list[_Place]]:
    """Divide groups by a key; groups of one are left out."""
    for group in groups:
        parts = defaultdict(list)
        for place in group:
            parts[key(place)].append(place)
        yield from (part for part in parts.values() if len(part) > 1)


def _is_leak(videos: datasets.DatasetDict, places: list[_Place]) -> bool:
    if len({part for part, _ in places}) > 1:
        return True
    records = videos[places[0][0]]
    is_cut = places[0][0] == "train" and not {"validation", "test"} <= videos.keys()
    return is_cut and len({(records[index]["label"], records[index]["group"]) for _, index in places}) > 1


def _name(videos: datasets.DatasetDict, place: _Place) -> str:
    part, index = place
    record = videos[part][index]
    return f"{record['video']['path'] or f'video {index}'} ({part}, group {record['group']})"
