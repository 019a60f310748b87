"""Videos without labels: the files of a folder, of a list or of a user's choice, and tar shards."""

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
    """Find every video file in `root` and its subfolders, in alphabetical order, as the column `video`.

    Raises:
        ValueError: the folder is missing or holds no video.
    """
    if not root.is_dir():
        raise ValueError(f"`root` {root} is not a folder; give the folder of the videos")
    return _records([file.absolute() for file in _below(root)])


def named_videos(names: Sequence[str]) -> datasets.Dataset:
    """Return the named files, and every video file in the named folders and their subfolders, as the column `video`.

    A file need not exist; the error comes when it is read. Duplicates are removed.

    Args:
        names: paths of files and folders.

    Raises:
        ValueError: `names` is empty, or a folder holds no video.
    """
    files = [file for name in names for file in (_below(Path(name)) if Path(name).is_dir() else [Path(name)])]
    if not files:
        raise ValueError("`names` is empty; give video files, or folders of videos")
    return _records(list(dict.fromkeys(files)))


def listed_videos(file: Path, root: Path | None = None, max_missing_fraction: float = 0.05) -> datasets.Dataset:
    """Read a list of videos, a text file with one path per line, as the column `video`.

    Args:
        file: the list, UTF-8. Empty lines are skipped. If a line is not the path of a file, a number after the path
            (the class, in UCF101's lists) is ignored.
        root: base folder of relative paths; None is the folder of the list.
        max_missing_fraction: largest allowed share of missing files. Missing files are logged and stay in the data
            set, where they count as unreadable.

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
        raise ValueError(f"the list of videos {file} is empty; give one path per line")
    missing = [path for path in files if not path.is_file()]
    if missing:
        about = f"{len(missing)} of the {len(files)} videos of {file} are missing, the first: {missing[0]}"
        if len(missing) == len(files) or len(missing) > max_missing_fraction * len(files):
            raise ValueError(f"{about}; check `root`, the base folder of relative paths")
        logger.warning("%s", about)
    return _records([file.absolute() for file in files])


def _below(root: Path) -> list[Path]:
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file())
    if not files:
        raise ValueError(f"no video ({' '.join(sorted(VIDEO_SUFFIXES))}) in {root} or its subfolders")
    return files


def _named_by(line: str, folder: Path) -> Path:
    whole = folder / line
    return whole if whole.is_file() else folder / _CLASS_NUMBER.sub("", line)


def stream_shards(root: Path) -> datasets.IterableDataset:
    """Stream the videos of the tar files in `root`, in WebDataset's layout, as the column `video`.

    Raises:
        ValueError: there is no tar file, or the first one does not hold videos of exactly one format.
    """
    if not any(root.glob("*.tar")):
        raise ValueError(f"`root` {root} holds no *.tar; give the folder of the shards")
    records = datasets.load_dataset("webdataset", data_files=str(root / "*.tar"), split="train", streaming=True)
    kinds = [column for column in records.column_names if f".{column.lower()}" in VIDEO_SUFFIXES]
    if len(kinds) != 1:
        raise ValueError(f"the tar files in {root} hold {records.column_names}, but need videos of one format")
    records = records.cast_column(kinds[0], datasets.Video(decode=False))  # first, as the next steps would decode
    return records.rename_column(kinds[0], "video").select_columns(["video"])


def _records(files: list[Path]) -> datasets.Dataset:
    features = datasets.Features(video=datasets.Video(decode=False))
    return datasets.Dataset.from_dict({"video": [str(file) for file in files]}, features=features)
