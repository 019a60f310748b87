"""Videos without labels: all of a folder, those that a list or a user names, or those of tar shards."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import datasets

from hf_selfdistill.data.class_folders import VIDEO_SUFFIXES

__all__ = ["find_videos", "listed_videos", "named_videos", "stream_shards"]

logger = logging.getLogger(__name__)

_CLASS_NUMBER = re.compile(r"\s+\d+$")


def find_videos(root: Path) -> datasets.Dataset:
    """Every video file in `root` and the folders below it, in alphabetical order, as the column `video`.

    Raises:
        ValueError: there is no such folder, or no video in it.
    """
    if not root.is_dir():
        raise ValueError(f"--dataset_root {root} is not a folder")
    return _records([file.absolute() for file in _below(root)])


def named_videos(names: Sequence[str]) -> datasets.Dataset:
    """Files, as they are named, and every video file in the folders named or below them, as the column `video`.

    A file need not exist: whoever reads it learns that it does not. One that is named twice is taken once.

    Raises:
        ValueError: there is no name, or no video in a folder.
    """
    files = [file for name in names for file in (_below(Path(name)) if Path(name).is_dir() else [Path(name)])]
    if not files:
        raise ValueError("no video is named; name files, or folders of videos")
    return _records(list(dict.fromkeys(files)))


def listed_videos(file: Path, root: Path | None = None, max_missing_fraction: float = 0.05) -> datasets.Dataset:
    """The videos that a text file names, one path per line, as the column `video`.

    Args:
        file: the list, UTF-8; empty lines are skipped. Of a line that names no file, a number behind the path is left
            out: a class, in UCF101's lists.
        root: what relative paths start from; the folder of the list when None.
        max_missing_fraction: share of the videos that may be missing. Missing ones are logged and stay in the data
            set, where whoever reads them counts them as failed.

    Raises:
        ValueError: the list can't be read or is empty, or too many of its videos are missing.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the list of videos {file} can't be read: {error}") from error
    folder = file.parent if root is None else root
    files = [_named_by(line.strip(), folder) for line in text.splitlines() if line.strip()]
    if not files:
        raise ValueError(f"the list of videos {file} is empty; it must have one path per line")
    missing = [path for path in files if not path.is_file()]
    if missing:
        about = f"{len(missing)} of the {len(files)} videos that {file} names are missing, the first: {missing[0]}"
        if len(missing) == len(files) or len(missing) > max_missing_fraction * len(files):
            raise ValueError(f"{about}; check --dataset_root, which relative paths start from")
        logger.warning("%s", about)
    return _records([file.absolute() for file in files])


def _below(root: Path) -> list[Path]:
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file())
    if not files:
        raise ValueError(f"no video ({' '.join(sorted(VIDEO_SUFFIXES))}) in {root} or the folders below it")
    return files


def _named_by(line: str, folder: Path) -> Path:
    whole = folder / line
    return whole if whole.is_file() else folder / _CLASS_NUMBER.sub("", line)


def stream_shards(root: Path) -> datasets.IterableDataset:
    """The videos of the tar files in `root`, WebDataset's layout, as a stream with the column `video`.

    Raises:
        ValueError: there is no tar file, or no video in the first.
    """
    if not any(root.glob("*.tar")):
        raise ValueError(f"no *.tar in {root}")
    records = datasets.load_dataset("webdataset", data_files=str(root / "*.tar"), split="train", streaming=True)
    kinds = [column for column in records.column_names if f".{column.lower()}" in VIDEO_SUFFIXES]
    if len(kinds) != 1:
        raise ValueError(f"the tar files in {root} must hold videos of one kind; they hold {records.column_names}")
    records = records.cast_column(kinds[0], datasets.Video(decode=False))  # first: what follows would decode
    return records.rename_column(kinds[0], "video").select_columns(["video"])


def _records(files: list[Path]) -> datasets.Dataset:
    features = datasets.Features(video=datasets.Video(decode=False))
    return datasets.Dataset.from_dict({"video": [str(file) for file in files]}, features=features)
