"""Cuts of a data set by whole groups, so that no source of a training video occurs in validation or test."""

from __future__ import annotations

import itertools
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import datasets

__all__ = [
    "TEST_FRACTION",
    "check_disjoint",
    "complete_splits",
    "few_of_each_class",
    "held_out_groups",
    "share_of_each_class",
]

logger = logging.getLogger(__name__)

TEST_FRACTION = 0.2
"""Share of the videos that becomes the test split of a data set without one."""


def check_disjoint(videos: datasets.DatasetDict, source: str, per_class: bool = False) -> None:
    """Refuse splits that share groups.

    Args:
        videos: splits with the columns `label` and `group`.
        source: list or folder that defines the splits, for the message.
        per_class: treat groups of the same name in different classes as different groups (HMDB51).

    Raises:
        ValueError: two splits share groups; the message names the groups.
    """
    groups = {
        split: set(zip(records["group"][:], records["label"][:] if per_class else itertools.repeat(0), strict=False))
        for split, records in videos.items()
    }
    for (first, there), (second, here) in itertools.combinations(groups.items(), 2):
        if shared := sorted({group for group, _ in there & here}):
            names = ", ".join(shared[:10]) + (", …" if len(shared) > 10 else "")
            raise ValueError(
                f"{source}: {len(shared)} groups are in both {first} and {second}: {names}; move each group into one "
                "split, as accuracy on videos from the sources of training videos is too high"
            )


def complete_splits(videos: datasets.DatasetDict, validation_fraction: float, seed: int) -> datasets.DatasetDict:
    """Cut the splits that are missing from train, by whole groups.

    Args:
        videos: `train`, and optionally `validation` and `test`, with the columns `label` and `group`. A missing `test`
            becomes `TEST_FRACTION` of the videos, independently of the seed.
        validation_fraction: share of the remaining videos that becomes a missing `validation`; with 0 it is empty.
        seed: seed of the choice of groups for `validation`.

    Returns:
        `train`, `validation`, `test`.

    Raises:
        ValueError: no group can be spared without emptying a class.
    """
    train, test = videos["train"], videos.get("test")
    if test is None:
        train, test = _cut(train, TEST_FRACTION, 0, "the data set has no test split, and none can be cut")
        logger.warning(
            "The data set has no test split: %.0f %% of its videos (%d of %d, whole groups, the same for every seed) "
            "are held out as the test split; to define it yourself, add a folder test/ beside train/, a column split "
            "to the CSV list, or a split test on the Hub",
            100 * TEST_FRACTION,
            len(test),
            len(train) + len(test),
        )
    validation = videos.get("validation")
    if validation is None:
        problem = f"`validation_fraction` is {validation_fraction}, but no validation split can be cut"
        train, validation = _cut(train, validation_fraction, seed, problem)
    return datasets.DatasetDict(train=train, validation=validation, test=test)


def held_out_groups(labels: Sequence[int], groups: Sequence[str], fraction: float, seed: int) -> set[str]:
    """Choose groups that together hold about `fraction` of the videos, of each class and of all.

    The groups are visited in an order drawn by `seed`. A group is chosen if it brings the numbers of videos closer to
    the wanted numbers and leaves at least one video of every class. If no group does, the one that overshoots least is
    chosen. (GroupShuffleSplit and StratifiedGroupKFold of scikit-learn hold out nothing of some classes where each
    class has its own few groups.)

    Args:
        labels: class of each video.
        groups: group of each video.
        fraction: share of the videos, 0 … 1.
        seed: seed of the order.

    Returns:
        Names of the groups; empty if no group can be spared or the fraction is 0.
    """
    members: dict[str, Counter[int]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        members[group][label] += 1
    left = Counter(labels)
    wanted = {label: fraction * count for label, count in left.items()}
    order = sorted(members)
    random.Random(seed).shuffle(order)
    held_out: set[str] = set()
    for weight_of_all in (0.0, 1 / len(wanted)):  # first each class separately, then the total number too
        wanted_of_all = sum(wanted.values())
        for group in order:
            if group in held_out or not _leaves_every_class(members[group], left):
                continue
            if _cost(members[group], wanted, weight_of_all, wanted_of_all) < 0:
                held_out.add(group)
                for label, count in members[group].items():
                    left[label] -= count
                    wanted[label] -= count
                if weight_of_all:
                    wanted_of_all = sum(wanted.values())
    if not held_out and fraction > 0:
        spare = [group for group in order if _leaves_every_class(members[group], left)]
        held_out.update(sorted(spare, key=lambda group: _cost(members[group], wanted))[:1])
    return held_out


def share_of_each_class(records: datasets.Dataset, fraction: float, seed: int) -> datasets.Dataset:
    """Draw a share of the videos of each class, at least one video per class; their order is kept.

    With the same seed, a larger share contains a smaller one.

    Args:
        records: videos, with the column `label`.
        fraction: share of the videos, above 0 and at most 1.
        seed: seed of the draw.

    Raises:
        ValueError: the fraction is out of range.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"`fraction` is {fraction:g}; it must be above 0 and at most 1")
    places: dict[int, list[int]] = defaultdict(list)
    for index, label in enumerate(records["label"][:]):
        places[label].append(index)
    chosen: list[int] = []
    for label in sorted(places):
        random.Random(f"{seed} {label}").shuffle(places[label])
        chosen += places[label][: max(1, round(fraction * len(places[label])))]
    return records.select(sorted(chosen))


def few_of_each_class(records: datasets.Dataset, number: int) -> datasets.Dataset:
    """Choose at most `number` videos, balanced over classes and spread over groups; every call chooses the same.

    Args:
        records: videos, with the columns `label` and `group`.
        number: largest number of videos.
    """
    labels, groups = records["label"][:], records["group"][:]
    order = list(range(len(records)))
    random.Random(0).shuffle(order)
    # Sort by turn: the first video of each kind, then the second of each, …
    for kinds in (list(zip(labels, groups, strict=True)), labels):
        seen: Counter[Any] = Counter()
        turn = {}
        for index in order:
            turn[index] = seen[kinds[index]]
            seen[kinds[index]] += 1
        order.sort(key=turn.__getitem__)
    return records.select(sorted(order[:number]))


def _cost(
    members: Counter[int], wanted: dict[int, float], weight_of_all: float = 0.0, wanted_of_all: float = 0.0
) -> float:
    """Return the change that a group makes to the squared distance from the wanted numbers of videos."""
    of_classes = sum(count * (count - 2 * wanted[label]) for label, count in members.items())
    if not weight_of_all:
        return of_classes
    return of_classes + weight_of_all * (members.total() * (members.total() - 2 * wanted_of_all))


def _leaves_every_class(members: Counter[int], left: Counter[int]) -> bool:
    return all(left[label] > count for label, count in members.items())


def _cut(
    videos: datasets.Dataset, fraction: float, seed: int, problem: str
) -> tuple[datasets.Dataset, datasets.Dataset]:
    groups = videos["group"][:]  # all at once, as a `Column` decodes row by row
    held_out = held_out_groups(videos["label"][:], groups, fraction, seed)
    if fraction > 0 and not held_out:
        raise ValueError(
            f"{problem}: each group holds all videos of some class; give more groups, a list with a column split, or "
            "`validation_fraction` 0"
        )
    inside = [group in held_out for group in groups]
    return (
        videos.select([index for index, held in enumerate(inside) if not held]),
        videos.select([index for index, held in enumerate(inside) if held]),
    )
