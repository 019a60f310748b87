"""Origin of a part of a data set, kept in its `datasets.DatasetInfo`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import datasets

from hf_selfdistill.data.fingerprint import fingerprint, relative_path

__all__ = [
    "Origin",
    "hash_of_videos",
    "is_video_dataset",
    "note_origin",
    "origin_of",
    "relative_name",
    "undecoded",
]


class Origin(NamedTuple):
    """Origin of a part of a data set.

    Args:
        dataset: name of the data set, as `load_video_dataset` takes it; empty if unknown.
        split: number of the official split, for data sets that have several.
        part: `"train"`, `"validation"` or `"test"`; empty if unknown.
        root: folder that the names of the videos in hashes and results are relative to.
    """

    dataset: str = ""
    split: int | None = None
    part: str = ""
    root: Path | None = None

    def __str__(self) -> str:
        """Describe the data set: `ucf101 split 1`."""
        name = self.dataset or "videos"
        return name if self.split is None else f"{name} split {self.split}"


def note_origin(records: datasets.Dataset, origin: Origin) -> None:
    """Note an origin in a part of a data set; selections and shuffled copies of the part keep it."""
    records.info.dataset_name = origin.dataset
    records.info.config_name = None if origin.split is None else str(origin.split)
    records.info.description = origin.part
    records.info.homepage = str(origin.root or "")


def origin_of(records: datasets.Dataset) -> Origin:
    """Return the origin of a part of a data set, as far as it is known."""
    info = records.info
    part = str(records.split or "") if info.description not in ("train", "validation", "test") else info.description
    is_ours = part == info.description
    return Origin(
        info.dataset_name or "",
        int(info.config_name) if is_ours and info.config_name else None,
        part,
        Path(info.homepage) if is_ours and info.homepage else None,
    )


def hash_of_videos(records: datasets.Dataset) -> str:
    """Return the `fingerprint` of a part of a data set."""
    return fingerprint(records, origin_of(records).root)


def relative_name(records: datasets.Dataset, index: int) -> str:
    """Return the name of a video in results: its path as in the hashes, or its index if the record has no path."""
    path = records[index]["video"]["path"]
    return relative_path(path, origin_of(records).root) if path else f"video {index}"


def is_video_dataset(videos: object) -> bool:
    """Check for raw videos, a `datasets.Dataset` with a column `video`, as opposed to finished clips."""
    return isinstance(videos, datasets.Dataset) and "video" in videos.features


def undecoded(videos: datasets.Dataset) -> datasets.Dataset:
    """Return raw videos that `datasets` does not decode: we read them with PyAV."""
    kind = videos.features["video"]
    decodes = isinstance(kind, datasets.Video) and kind.decode
    return videos.cast_column("video", datasets.Video(decode=False)) if decodes else videos
