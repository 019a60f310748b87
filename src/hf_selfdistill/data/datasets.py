"""Loading of labelled videos: UCF101, HMDB51, class folders, CSV lists, the Hub, and the embedded moving shapes."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import datasets

from hf_selfdistill.data.annotations import (
    VideoEntry,
    find_annotations,
    read_csv_list,
    read_hmdb51_lists,
    read_ucf101_lists,
)
from hf_selfdistill.data.class_folders import scan_class_folders
from hf_selfdistill.data.containers import escaped
from hf_selfdistill.data.duplicates import check_duplicates
from hf_selfdistill.data.hub_dataset import load_hub_dataset
from hf_selfdistill.data.moving_shapes import LIST_NAME, write_moving_shapes
from hf_selfdistill.data.origin import Origin, note_origin
from hf_selfdistill.data.splits import check_disjoint, complete_splits
from hf_selfdistill.data.video_files import hint_for_missing, say_once

__all__ = ["DATASETS", "OFFICIAL_SPLITS", "load_video_dataset", "root_of"]

logger = logging.getLogger(__name__)

DATASETS = ("ucf101", "hmdb51", "folder", "csv", "moving_shapes", "videofolder")
"""Names that `load_video_dataset` accepts, besides `owner/name` of the Hub and local folders."""

OFFICIAL_SPLITS = ("ucf101", "hmdb51")
"""Names of the data sets with three official splits."""

_NEED_ROOT = ("ucf101", "hmdb51", "folder", "moving_shapes", "videofolder")
_TAKE_ANNOTATIONS = ("ucf101", "hmdb51", "csv")


def load_video_dataset(
    name: str,
    root: str | Path | None = None,
    annotations: str | Path | None = None,
    split: int = 1,
    validation_fraction: float = 0.1,
    seed: int = 0,
    max_missing_fraction: float = 0.05,
) -> datasets.DatasetDict:
    """Load a data set of labelled videos.

    | `name` | `root` | `annotations` |
    |---|---|---|
    | `ucf101` | `<Class>/v_<Class>_gXX_cYY.avi` | folder of `classInd.txt`, `trainlist0k.txt`, `testlist0k.txt` |
    | `hmdb51` | `<class>/<film>_<class>_….avi` | folder of `<class>_test_splitk.txt` |
    | `folder` | `<class>/*.mp4` or `{train,val,test}/<class>/*.mp4` | – |
    | `csv` | base folder of relative paths; None: the folder of the list | CSV file: `video,label[,group][,split]` |
    | `moving_shapes` | folder of the videos; they are written if they are missing | – |
    | `videofolder` | a folder in the layout that `datasets` documents | – |
    | `owner/name`, a local folder (any that `datasets.load_dataset` takes) | – | – |

    `ucf101` and `hmdb51` stand for these layouts, with any classes and file names. Without `annotations` their lists
    are searched in `root` and its subfolders. If the data set has no `validation`, it is cut from the training videos
    by whole groups, with the share of each class kept as far as whole groups allow. A missing `test` is cut in the
    same way, independently of the seed. Splits that share groups are refused; in HMDB51 a film counts as one group per
    class, as in the official lists.

    Args:
        name: name of the data set, see the table.
        root: folder of the videos, see the table.
        annotations: folder of the lists, or the CSV file, see the table.
        split: number of the official split.
        validation_fraction: share of the training videos that becomes `validation`; with 0 it is empty.
        seed: seed of the choice of groups for `validation`.
        max_missing_fraction: largest allowed share of missing files among the videos of the lists. Missing files are
            logged and stay in the data set, where they count as unreadable.

    Returns:
        `train`, `validation`, `test` with the columns `video` (`{"path", "bytes"}`, not decoded), `label`
        (a `ClassLabel` with the names) and `group` (string).

    Raises:
        ValueError: an argument or the data set can't be used; the message tells what to do.
    """
    root = None if root is None else Path(root).expanduser()
    annotations = None if annotations is None else Path(annotations).expanduser()
    _check_arguments(name, root, annotations, split, validation_fraction)
    if name not in DATASETS or name == "videofolder":
        videos, source = load_hub_dataset(name, root), name
    else:
        classes, entries, root, source = _read_entries(name, root, annotations, split)
        _check_entries(entries, source)
        _check_files(entries, root, source, max_missing_fraction)
        videos = _to_dataset_dict(classes, entries, root)
    if name != "folder":  # the scan of the folder has said it
        say_once(f"{sum(map(len, videos.values()))} videos in {source}")
    check_disjoint(videos, source, per_class=name == "hmdb51")
    check_duplicates(videos, source, refuse=name not in OFFICIAL_SPLITS)
    videos = complete_splits(videos, validation_fraction, seed)
    folder = root_of(name, root, annotations)
    for part, records in videos.items():
        note_origin(records, Origin(name, split if name in OFFICIAL_SPLITS else None, part, folder))
    return videos


def root_of(name: str, root: str | Path | None, annotations: str | Path | None) -> Path | None:
    """Return the folder that names of videos are relative to in results and hashes; None for data sets of the Hub.

    Args:
        name: as in `load_video_dataset`.
        root: as in `load_video_dataset`.
        annotations: as in `load_video_dataset`.
    """
    if root is not None:
        return Path(root).expanduser()
    if annotations is not None:
        return Path(annotations).expanduser().parent
    return Path(name) if Path(name).is_dir() else None


def _check_arguments(
    name: str, root: Path | None, annotations: Path | None, split: int, validation_fraction: float
) -> None:
    if name not in DATASETS and "/" not in name and not Path(name).is_dir():
        raise ValueError(
            f"`name` is {name!r}; allowed are {', '.join(DATASETS)}, owner/name on the Hub, or a local folder"
        )
    if root is None and name in _NEED_ROOT:
        raise ValueError(f"`root` is missing; give the folder of the videos of data set {name!r}")
    if root is not None and name not in DATASETS:
        raise ValueError(f"`root` is {root}, but data set {name!r} is found by its name alone; remove it")
    if root is not None and name != "moving_shapes" and not root.is_dir():
        raise ValueError(f"`root` {root} is not a folder; give the folder of the videos")
    if annotations is None and name == "csv":
        raise ValueError("`annotations` is missing; give the CSV file of data set 'csv'")
    if annotations is not None and name not in _TAKE_ANNOTATIONS:
        raise ValueError(f"`annotations` is {annotations}, but data set {name!r} has no lists; remove it")
    if split != 1 and name not in OFFICIAL_SPLITS:
        raise ValueError(f"`split` is {split}, but data set {name!r} has only split 1; remove it")
    if not 0 <= validation_fraction < 1:
        raise ValueError(f"`validation_fraction` is {validation_fraction}; it must be at least 0 and below 1")


def _read_entries(
    name: str, root: Path | None, annotations: Path | None, split: int
) -> tuple[list[str], list[VideoEntry], Path, str]:
    """Return the classes, the videos, the base folder of their paths, and a description of the lists."""
    if name == "csv":
        assert annotations is not None
        return *read_csv_list(annotations), root or annotations.parent, str(annotations)
    assert root is not None
    if name == "ucf101":
        folder = find_annotations(root, annotations, "classInd.txt")
        return *read_ucf101_lists(folder, split), root, f"the lists of split {split} in {folder}"
    if name == "hmdb51":
        folder = find_annotations(root, annotations, "*_test_split[0-9].txt")
        return *read_hmdb51_lists(folder, split), root, f"the lists of split {split} in {folder}"
    if name == "folder":
        return *scan_class_folders(root), root, str(root)
    if not (root / LIST_NAME).is_file():
        write_moving_shapes(root)
    return *read_csv_list(root / LIST_NAME), root, str(root / LIST_NAME)


def _check_entries(entries: list[VideoEntry], source: str) -> None:
    """Refuse a data set without training videos, or with a class that has none."""
    learnt = {entry.label for entry in entries if entry.split in (None, "train")}
    if not learnt:
        raise ValueError(f"{source} contains no training video; add some")
    for entry in entries:
        if entry.label not in learnt:
            raise ValueError(
                f"{source}: class {entry.label!r} of {entry.split} has no training video; add one, or drop the class"
            )


def _check_files(entries: list[VideoEntry], root: Path, source: str, max_missing_fraction: float) -> None:
    """Refuse many missing files, and one file with two labels, in two parts, or in two groups before a cut."""
    missing: list[str] = []
    seen: dict[tuple[int, int], VideoEntry] = {}
    for entry in entries:
        try:
            about = os.stat(os.path.join(root, entry.path))
        except (OSError, ValueError):
            missing.append(entry.path)
            continue
        before = seen.setdefault((about.st_dev, about.st_ino), entry)
        if before.label != entry.label:
            raise ValueError(
                f"{source}: {before.path} ({before.label}) and {entry.path} ({entry.label}) are the same file; keep "
                "one of the two"
            )
        # A cut keeps a group together.
        if before.group != entry.group and (entry.split is None or before.split != entry.split):
            raise ValueError(
                f"{source}: {before.path} ({before.split or before.group}) and {entry.path} "
                f"({entry.split or entry.group}) are the same file; keep one of the two"
            )
    if not missing:
        return
    hint = hint_for_missing(missing, root)
    if len(missing) > max_missing_fraction * len(entries):
        raise ValueError(
            f"{len(missing)} of {len(entries)} videos of {source} are missing under {root}, the first: {missing[0]}"
            f"{hint}; check `root`"
        )
    names = ", ".join(missing)
    logger.warning("%d of %d videos are missing under %s%s: %s", len(missing), len(entries), root, hint, names)


def _to_dataset_dict(classes: list[str], entries: list[VideoEntry], root: Path) -> datasets.DatasetDict:
    features = datasets.Features(
        video=datasets.Video(decode=False),
        label=datasets.ClassLabel(names=classes),
        group=datasets.Value("string"),
    )
    videos = datasets.DatasetDict()
    for split in ("train", "validation", "test"):
        members = [entry for entry in entries if (entry.split or "train") == split]
        if members:
            columns = {
                "video": [escaped((root / entry.path).absolute()) for entry in members],
                "label": [entry.label for entry in members],
                "group": [entry.group for entry in members],
            }
            videos[split] = datasets.Dataset.from_dict(columns, features=features)
    return videos
