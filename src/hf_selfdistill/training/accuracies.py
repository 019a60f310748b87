"""The names of a classifier's accuracies, and which of them say something."""

from __future__ import annotations

__all__ = ["ACCURACIES", "MEASURED", "silent", "telling", "with_a_blank"]

ACCURACIES = ("video_top1", "video_top5", "clip_top1", "clip_top5")
"""What a test of a classifier measures, as fractions of 1."""

MEASURED = (*ACCURACIES, "num_videos")
"""What its results and those of a validation have of it."""


def telling(classes: int) -> tuple[str, ...]:
    """Those that can differ from 1: with five classes or fewer the right one is always among the first five.

    Args:
        classes: how many the classifier has.
    """
    return ACCURACIES if classes > 5 else tuple(name for name in ACCURACIES if name.endswith("top1"))


def silent(classes: int) -> set[str]:
    """The others, which are always 1."""
    return set(ACCURACIES) - set(telling(classes))


def with_a_blank(name: str) -> str:
    """For people: `video top-1` of `video_top1`."""
    return name.replace("_top", " top-")
