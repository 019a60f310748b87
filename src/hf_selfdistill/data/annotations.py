"""Lists of videos with their class, group and split: UCF101's, HMDB51's, and CSV files.

Only the lists are read. The videos need not exist.
"""

from __future__ import annotations

import csv
import logging
import re
import unicodedata
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

__all__ = [
    "SPLITS",
    "VideoEntry",
    "find_annotations",
    "read_csv_list",
    "read_hmdb51_lists",
    "read_ucf101_lists",
    "sorted_labels",
    "tidied",
    "ucf101_group",
]

logger = logging.getLogger(__name__)

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Maps the name of a split in lists and folders, in small letters, to our name."""

_UCF101_GROUP = re.compile(r"_(g\d+)_c\d+$")
_CSV_COLUMNS = ("video", "label", "group", "split")
_HMDB51_SPLITS = {"0": None, "1": "train", "2": "test"}


class VideoEntry(NamedTuple):
    """One video of a list.

    Attributes:
        path: path relative to the folder of the videos. A CSV file can also have absolute paths.
        label: name of the class.
        group: name of the source or the person that several videos share.
        split: `"train"`, `"validation"` or `"test"`; None if the list does not assign one.
    """

    path: str
    label: str
    group: str
    split: str | None


def ucf101_group(path: str) -> str:
    """Return the group in a file name of UCF101 (`v_Archery_g07_c02.avi` → `g07`); the path if it has none."""
    found = _UCF101_GROUP.search(PurePosixPath(path).stem)
    return found[1] if found else path


def find_annotations(root: Path, annotations: Path | None, pattern: str) -> Path:
    """Return the folder of the lists.

    Args:
        root: folder of the videos, searched with its direct subfolders if `annotations` is None.
        annotations: folder of the lists.
        pattern: glob pattern that a list matches.

    Raises:
        ValueError: no folder, or more than one, holds a file that matches `pattern`.
    """
    places = [annotations] if annotations else [root, *sorted(folder for folder in root.iterdir() if folder.is_dir())]
    found = [place for place in places if any(place.glob(pattern))]
    if len(found) == 1:
        return found[0]
    where = annotations or f"{root} and its subfolders"
    problem = f"found {pattern} in {' and '.join(map(str, found))}" if found else f"no {pattern} in {where}"
    raise ValueError(f"{problem}; set `annotations` to the folder that holds the lists")


def read_ucf101_lists(annotations: Path, split: int = 1) -> tuple[list[str], list[VideoEntry]]:
    """Read `classInd.txt`, `trainlist0k.txt` and `testlist0k.txt`.

    The class of a video is its folder. The group is the `gXX` of the file name, without the class: the official lists
    hold out the same numbers in all classes, and other data sets in this layout number their sources across classes.

    Args:
        annotations: folder of the lists.
        split: number k of the split; the official numbers are 1, 2 and 3.

    Returns:
        Names of the classes in the order of `classInd.txt`, and the videos.

    Raises:
        ValueError: a list is missing, or names a class that is not in `classInd.txt`.
    """
    classes = [line.split(maxsplit=1)[-1] for _, line in _lines(annotations / "classInd.txt")]
    _check_split(split, annotations, "trainlist0{}.txt")
    entries = []
    for split_name in ("train", "test"):
        file = annotations / f"{split_name}list0{split}.txt"
        for number, line in _lines(file):
            path = re.sub(r"\s+\d+$", "", line)
            label = PurePosixPath(path.replace("\\", "/")).parent.name
            if label not in classes:
                raise ValueError(f"{file}, line {number}: the folder of {path!r} is not a class of classInd.txt")
            entries.append(VideoEntry(path, label, ucf101_group(path), split_name))
    return classes, entries


def read_hmdb51_lists(annotations: Path, split: int = 1) -> tuple[list[str], list[VideoEntry]]:
    """Read `<class>_test_splitk.txt` of all classes: tag 1 is training, 2 testing, 0 unused.

    The group is the film that a video was cut from: the part of the file name before `_<class>_`
    (`April_09_brush_hair_u_nm_np1_ba_goo_0.avi` → `April_09`). Within a class the official lists never split a film,
    but about 140 films give training videos to one class and test videos to another.

    Args:
        annotations: folder of the lists.
        split: number k of the split; the official numbers are 1, 2 and 3.

    Returns:
        Names of the classes in alphabetical order, and the videos that the split uses.

    Raises:
        ValueError: there is no list of this split, or a line is not a file name and a tag.
    """
    _check_split(split, annotations, "*_test_split{}.txt")
    suffix = f"_test_split{split}.txt"
    entries = []
    classes = sorted(file.name.removesuffix(suffix) for file in annotations.glob(f"*{suffix}"))
    for label in classes:
        file = annotations / f"{label}{suffix}"
        for number, line in _lines(file):
            name, _, tag = line.rpartition(" ")
            if not name or tag not in _HMDB51_SPLITS:
                raise ValueError(f"{file}, line {number}: {line!r} is not a file name and 0, 1 or 2")
            if split_name := _HMDB51_SPLITS[tag]:
                name = name.strip()
                entries.append(VideoEntry(f"{label}/{name}", label, _hmdb51_film(name, label), split_name))
    return classes, entries


def read_csv_list(file: Path) -> tuple[list[str], list[VideoEntry]]:
    """Read a CSV file with a header and the columns `video,label[,group][,split]`.

    A split is `train`, `val`, `validation` or `test`. Without the column `group` each file is a group.

    Returns:
        Names of the classes in alphabetical order (in numerical order if all are numbers), and the videos.

    Raises:
        ValueError: the file or a column is missing, a cell is empty, or a split is unknown.
    """
    if not file.is_file():
        raise ValueError(
            f"{file} is not a file; `annotations` must be a CSV file with the columns video,label[,group][,split]"
        )
    with _as_text(file), file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        reader.fieldnames = [column.strip() for column in reader.fieldnames or ()]
        columns = set(reader.fieldnames)
        if not {"video", "label"} <= columns:
            raise ValueError(
                f"{file} has the columns {sorted(columns)}; it must have video,label[,group][,split], comma-separated"
            )
        entries: dict[str, VideoEntry] = {}
        repeated = changed = 0
        for row in reader:
            entry = _csv_entry(file, reader.line_num, row)
            changed += entry.label != row["label"] or entry.group != row.get("group", entry.group)
            before = entries.setdefault(f"{entry.path}\0{entry.split}", entry)
            if before.label != entry.label:
                raise ValueError(
                    f"{file}, line {reader.line_num}: {entry.path} has the label {entry.label!r}, but an earlier line "
                    f"gives it {before.label!r}; keep one of the two"
                )
            repeated += before is not entry
    if repeated:
        logger.warning("%s: %d lines repeat a video and count once", file, repeated)
    if changed:
        logger.warning(
            "%s: blanks around labels and groups, and decomposed letters, were changed %d times", file, changed
        )
    return sorted_labels({entry.label for entry in entries.values()}), list(entries.values())


def tidied(text: str) -> str:
    """Return a name without blanks around it, and with composed letters (NFC)."""
    return unicodedata.normalize("NFC", text.strip())


def sorted_labels(labels: Set[str]) -> list[str]:
    """Sort the names of classes: in numerical order if all are numbers (1, 01 and 001 in this order)."""
    numbers = all(label.isdecimal() for label in labels)
    return sorted(labels, key=lambda label: (int(label), len(label), label) if numbers else label)


def _csv_entry(file: Path, number: int, row: dict[str, str]) -> VideoEntry:
    row = {column: (value or "").strip() for column, value in row.items() if column in _CSV_COLUMNS}
    row |= {column: tidied(row[column]) for column in ("label", "group") if column in row}
    if row["video"]:  # PurePosixPath is slow, so it takes only paths that it changes
        if "//" in row["video"] or "./" in row["video"] or row["video"][-1] in "./":
            row["video"] = PurePosixPath(row["video"]).as_posix()
    for column in _CSV_COLUMNS:
        if column in row and not row[column]:
            raise ValueError(f"{file}, line {number}: {column} is empty")
    if "split" in row and row["split"].lower() not in SPLITS:
        raise ValueError(f"{file}, line {number}: split is {row['split']!r}; allowed: {', '.join(SPLITS)}")
    split = SPLITS[row["split"].lower()] if "split" in row else None
    return VideoEntry(row["video"], row["label"], row.get("group", row["video"]), split)


def _hmdb51_film(name: str, label: str) -> str:
    film = name.rpartition(f"_{label}_")[0]  # the last match: a film's name can be "rope_climb_…"
    return film or name


def _check_split(split: int, annotations: Path, pattern: str) -> None:
    """Raise unless `annotations` holds the list of this split."""
    if any(annotations.glob(pattern.format(split))):
        return
    there = [k for k in range(1, 10) if any(annotations.glob(pattern.format(k)))]
    raise ValueError(
        f"`split` is {split}, but {annotations} holds no {pattern.format(split)}; the splits in that folder: {there}"
    )


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield number and content of each line that is not empty."""
    if not file.is_file():
        raise ValueError(f"{file} is missing; `annotations` must be the folder that holds the official lists")
    with _as_text(file):
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line.strip()


@contextmanager
def _as_text(file: Path) -> Iterator[None]:
    try:
        yield
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file} is not a list in UTF-8 text: {error}") from None
