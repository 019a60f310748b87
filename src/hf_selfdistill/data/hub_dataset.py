"""Data sets that `datasets.load_dataset` loads: from the Hub, or a local `videofolder`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import datasets

from hf_selfdistill.data.annotations import SPLITS, sorted_labels, tidied

__all__ = ["load_hub_dataset"]

logger = logging.getLogger(__name__)

_SPLITS = ("train", "validation", "test")
_LABELS = ("label", "action", "class")


def load_hub_dataset(name: str, data_dir: Path | None = None) -> datasets.DatasetDict:
    """Load a data set and bring it to the columns `video` (not decoded), `label` and `group`.

    The video is the only column of type `Video`. The label is the only column of type `ClassLabel`, or a column
    `label`, `action` or `class` of strings or integers. Without a column `group` each video is a group. A column
    `split` divides a data set that has only `train`. Blanks around labels and groups do not count.

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
    if list(loaded) == ["train"] and "split" in loaded["train"].features:
        loaded = _divided(name, loaded["train"])
    if ignored := sorted(set(loaded) - set(_SPLITS)):
        logger.warning("Data set %r: the splits %s are not used", name, ignored)
    loaded = datasets.DatasetDict({split: loaded[split] for split in _SPLITS if split in loaded})
    features = loaded["train"].features
    video = _only_column(name, features, datasets.Video)
    plain = [own for own in _LABELS if isinstance(features.get(own), datasets.Value)]
    if plain and not any(isinstance(feature, datasets.ClassLabel) for feature in features.values()):
        loaded = _with_classes(loaded, plain[0])
        features = loaded["train"].features
    label = _only_column(name, features, datasets.ClassLabel)
    for split, records in loaded.items():
        loaded[split] = _standard(name, records, split, video, label)
    return loaded


def _divided(name: str, records: datasets.Dataset) -> datasets.DatasetDict:
    places: dict[str, list[int]] = {}
    for index, split in enumerate(records["split"]):
        if str(split).strip().lower() not in SPLITS:
            raise ValueError(f"data set {name!r}: split is {split!r} in row {index}; allowed: {', '.join(SPLITS)}")
        places.setdefault(SPLITS[split.strip().lower()], []).append(index)
    if "train" not in places:
        raise ValueError(f"data set {name!r}: the column split has {sorted(places)}, but needs train")
    return datasets.DatasetDict({split: records.select(indices) for split, indices in places.items()})


def _with_classes(loaded: datasets.DatasetDict, column: str) -> datasets.DatasetDict:
    names = {split: [_class_name(label) for label in records[column]] for split, records in loaded.items()}
    found = {label for labels in names.values() for label in labels if label is not None}
    classes = datasets.Features({column: datasets.ClassLabel(names=sorted_labels(found))})
    for split, records in loaded.items():
        labels = datasets.Dataset.from_dict({column: names[split]}, features=classes)
        loaded[split] = datasets.concatenate_datasets([records.remove_columns(column), labels], axis=1)
    return loaded


def _class_name(label: Any) -> str | None:
    """Return the name of a class in text, None if it is hidden; a column of integers with gaps holds floats."""
    if label in (None, -1) or label != label:
        return None
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return tidied(str(label)) or None


def _only_column(name: str, features: datasets.Features, kind: type) -> str:
    found = [column for column, feature in features.items() if isinstance(feature, kind)]
    if len(found) != 1:
        types = {column: type(feature).__name__ for column, feature in features.items()}
        raise ValueError(f"data set {name!r} must have one column of type {kind.__name__}; its columns are {types}")
    return found[0]


def _standard(name: str, records: datasets.Dataset, split: str, video: str, label: str) -> datasets.Dataset:
    if hidden := sum(number is None or number < 0 for number in records[label]):
        raise ValueError(
            f"data set {name!r}: {hidden} of {len(records)} videos of {split} have no label; label them or remove "
            "them (without a test split, a part of train is held out as test)"
        )
    given = records["group"] if "group" in records.features else [None] * len(records)
    groups = [f"{split}/{index}" if group is None else tidied(str(group)) for index, group in enumerate(given)]
    records = records.select_columns([video, label]).rename_columns({video: "video", label: "label"})
    return records.cast_column("video", datasets.Video(decode=False)).add_column("group", groups)
