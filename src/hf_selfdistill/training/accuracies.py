"""Names of a classifier's accuracies, with those that are informative for a number of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ACCURACIES", "MEASURED", "describe_chance", "only_prediction", "silent", "telling", "with_a_blank"]

ACCURACIES = ("video_top1", "video_top5", "clip_top1", "clip_top5")
"""Accuracies that a test of a classifier measures, as fractions of 1."""

MEASURED = (*ACCURACIES, "num_videos")
"""Entries in the results of every test and validation."""


def telling(classes: int) -> tuple[str, ...]:
    """Return the accuracies that can differ from 1: with five classes or fewer, top-5 is always 1.

    Args:
        classes: number of classes of the classifier.
    """
    return ACCURACIES if classes > 5 else tuple(name for name in ACCURACIES if name.endswith("top1"))


def silent(classes: int) -> set[str]:
    """Return the accuracies that are always 1.

    Args:
        classes: number of classes of the classifier.
    """
    return set(ACCURACIES) - set(telling(classes))


def describe_chance(classes: int) -> str:
    """Describe the accuracy of a uniformly random prediction."""
    return f"chance is {100 / classes:.1f} %"


def only_prediction(values: Mapping[str, Any]) -> str:
    """Describe a test in which all videos, of several classes, were predicted as one; "" for other tests.

    Args:
        values: results of a test of a classifier.
    """
    shown = values.get("predictions", ())
    predicted, labels = ({one[name] for one in shown} for name in ("predicted", "label"))
    return f"all videos were predicted as {predicted.pop()}" if len(predicted) == 1 < len(labels) else ""


def with_a_blank(name: str) -> str:
    """Return the name of an accuracy for display: `video top-1` for `video_top1`."""
    return name.replace("_top", " top-")
