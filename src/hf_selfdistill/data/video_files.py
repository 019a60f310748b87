"""Videos without labels: all of a folder, those that a list names, or those of tar shards."""

from __future__ import annotations

import re
from pathlib import Path

import datasets

from hf_selfdistill.data.class_folders import VIDEO_SUFFIXES

__all__ = ["find_videos", "listed_videos", "stream_shards"]

_CLASS_NUMBER = re.compile(r"\s+\d+$")


def find_videos(root: Path) -> datasets.Dataset:
    """Every video file in `root` and the folders below it, in alphabetical order, as the column `video`.

    Raises:
        ValueError: there is no such folder, or no video in it.
    """
    if not root.is_dir():
        raise ValueError(f"--dataset_root {root} is not a folder")
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file())
    if not files:
        raise ValueError(f"no video ({' '.join(sorted(VIDEO_SUFFIXES))}) in {root} or the folders below it")
    return _records(files)


def listed_videos(file: Path, root: Path | None = None) -> datasets.Dataset:
    """The videos that a text file names, one path per line, as the column `video`.

    Args:
        file: the list; empty lines are skipped, and so is a number behind a path (a class, in UCF101's lists).
        root: what relative paths start from; the folder of the list when None.

    Raises:
        ValueError: the list can't be read, is empty, or names no file that exists.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the list of videos {file} can't be read: {error}") from error
    folder = file.parent if root is None else root
    named = [folder / _CLASS_NUMBER.sub("", line) for line in lines]
    if not any(path.is_file() for path in named):
        raise ValueError(f"none of the {len(named)} videos that {file} names is below {folder}; check --dataset_root")
    return _records(named)


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
    return datasets.Dataset.from_dict({"video": [str(file.absolute()) for file in files]}, features=features)
