"""Data sets that `datasets.load_dataset` loads: from the Hub, or a local `videofolder`."""

from __future__ import annotations

import logging
from pathlib import Path

import datasets

__all__ = ["load_hub_dataset"]

logger = logging.getLogger(__name__)

_SPLITS = ("train", "validation", "test")


def load_hub_dataset(name: str, data_dir: Path | None = None) -> datasets.DatasetDict:
    """Load a data set and bring it to the columns `video` (not decoded), `label` and `group`.

    The video is the only column of type `Video`. The label is the only column of type `ClassLabel`, or a column
    `label` of strings. Without a column `group` each video is a group.

    Args:
        name: `owner/name` on the Hub, a local folder, or `videofolder`.
        data_dir: folder of a `videofolder`.

    Returns:
        The splits `train`, `validation` and `test`, as far as the data set has them.

    Raises:
        ValueError: the data set can't be loaded, has no `train`, or lacks a column.
    """
    try:
        loaded = datasets.load_dataset(name, data_dir=None if data_dir is None else str(data_dir))
    except (ConnectionError, FileNotFoundError) as error:
        raise ValueError(f"data set {name!r} can't be loaded: {error}; check its name and the connection") from error
    if "train" not in loaded:
        raise ValueError(f"data set {name!r} has the splits {sorted(loaded)}, but needs train; rename one of them")
    if ignored := sorted(set(loaded) - set(_SPLITS)):
        logger.warning("Data set %r: the splits %s are not used", name, ignored)
    loaded = datasets.DatasetDict({split: loaded[split] for split in _SPLITS if split in loaded})
    features = loaded["train"].features
    video = _only_column(name, features, datasets.Video)
    if isinstance(features.get("label"), datasets.Value) and features["label"].dtype in ("string", "large_string"):
        names = sorted(set().union(*(records.unique("label") for records in loaded.values())))
        loaded = loaded.cast_column("label", datasets.ClassLabel(names=names))
        features = loaded["train"].features
    label = _only_column(name, features, datasets.ClassLabel)
    for split, records in loaded.items():
        loaded[split] = _standard(name, records, split, video, label)
    return loaded


def _only_column(name: str, features: datasets.Features, kind: type) -> str:
    found = [column for column, feature in features.items() if isinstance(feature, kind)]
    if len(found) != 1:
        types = {column: type(feature).__name__ for column, feature in features.items()}
        raise ValueError(f"data set {name!r} must have one column of type {kind.__name__}; its columns are {types}")
    return found[0]


def _standard(name: str, records: datasets.Dataset, split: str, video: str, label: str) -> datasets.Dataset:
    if min(records[label], default=0) < 0:
        raise ValueError(f"data set {name!r}: {split} has videos without a label (-1); only labelled ones can be used")
    if "group" in records.features:
        groups = list(map(str, records["group"]))
    else:
        groups = [f"{split}/{index}" for index in range(len(records))]
    records = records.select_columns([video, label]).rename_columns({video: "video", label: "label"})
    return records.cast_column("video", datasets.Video(decode=False)).add_column("group", groups)
