"""Confusions between classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hf_selfdistill.training.figures import COLOURS, GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ConfusedPair", "confusion_figure", "most_confused"]

MOST_WITH_NUMBERS = 15  # classes; with more, a number does not fit into a cell


class ConfusedPair(NamedTuple):
    """Videos of one class that the model took for another class.

    Args:
        label: the true class.
        predicted: the predicted class.
        videos: number of these videos.
        share: share of the true class's videos, a fraction of 1.
    """

    label: str
    predicted: str
    videos: int
    share: float


def most_confused(counts: np.ndarray, classes: Sequence[str], most: int = 10) -> list[ConfusedPair]:
    """Return the pairs of classes with the most errors; ties go to the larger share, then to the first name.

    Args:
        counts: confusion matrix `(classes, classes)`; rows are true classes.
        classes: names of rows and columns.
        most: maximum number of pairs.
    """
    totals = counts.sum(axis=1)
    pairs = [
        ConfusedPair(classes[row], classes[column], int(counts[row, column]), counts[row, column] / totals[row])
        for row, column in np.argwhere(counts)
        if row != column
    ]
    return sorted(pairs, key=lambda pair: (-pair.videos, -pair.share, pair.label, pair.predicted))[:most]


def confusion_figure(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw shares of each true class as shades; up to 15 classes also the numbers of videos.

    Cells keep a readable size: the figure grows with the number of classes (101 classes: 20 inches).

    Args:
        counts: confusion matrix `(classes, classes)`; rows are true classes.
        classes: names of rows and columns.
    """
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_rgb

    few = len(classes) <= MOST_WITH_NUMBERS
    cell, points = (0.5, 9) if few else (0.165, 7)
    side = cell * len(classes) + 0.012 * points * max(map(len, classes)) + 0.8
    figure = new_figure(max(side + 0.6, 4), max(side, 3.4))
    axes = figure.subplots()
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    colour = to_rgb(COLOURS[0])
    shades = LinearSegmentedColormap.from_list("share", [(*colour, 0.0), (*colour, 1.0)])  # 0 is transparent
    roots = PowerNorm(0.5, vmin=0, vmax=100)  # makes small shares visible
    image = axes.imshow(100 * shares, cmap=shades, norm=roots)
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=points, parse_math=False)
    axes.set_yticks(range(len(classes)), classes, fontsize=points, parse_math=False)
    axes.set(xlabel="predicted class", ylabel="true class")
    if few:
        _write_numbers(axes, counts, shares)
    else:
        _draw_guides(axes, len(classes))
    bar = figure.colorbar(image, ax=axes, shrink=min(1, 3 / side), aspect=25, pad=0.02, anchor=(0, 1))
    bar.set_ticks([0, 5, 25, 50, 100])
    bar.set_label("% of the true class")
    return figure


def _write_numbers(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for row, column in np.argwhere(counts):
        text = axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=9)
        if shares[row, column] > 0.4:  # a dark shade
            text.set_color("white")


def _draw_guides(axes: Axes, classes: int) -> None:
    """Draw a line every five classes, to lead the eye from a cell to its name."""
    for position in np.arange(4.5, classes - 1, 5):
        axes.axhline(position, color=GREY, alpha=0.35, linewidth=0.5)
        axes.axvline(position, color=GREY, alpha=0.35, linewidth=0.5)
