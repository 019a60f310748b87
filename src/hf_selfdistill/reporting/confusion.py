"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hf_selfdistill.training.figures import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm
    from matplotlib.figure import Figure

__all__ = ["ConfusedPair", "confusion_counts", "confusion_figure", "most_confused"]

MOST_WITH_NUMBERS = 15  # classes; more leave no room for a number in a cell


class ConfusedPair(NamedTuple):
    """How often videos of one class were taken for another.

    Args:
        label: the true class.
        predicted: what was said instead.
        videos: how many.
        share: of the videos of the true class, a fraction of 1.
    """

    label: str
    predicted: str
    videos: int
    share: float


def confusion_counts(labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """`(classes, classes)` int: rows are true classes, columns what was said.

    Args:
        labels: the true class of each video.
        predicted: the class that was said.
        classes: all of them, in the order of rows and columns.

    Raises:
        ValueError: a video's class is not among them.
    """
    index = {name: position for position, name in enumerate(classes)}
    unknown = (set(labels) | set(predicted)) - index.keys()
    if unknown:
        raise ValueError(f"predictions name {', '.join(sorted(unknown)[:5])}, which the model does not know")
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    rows, columns = ([index[name] for name in names] for names in (labels, predicted))
    np.add.at(counts, (rows, columns), 1)
    return counts


def most_confused(counts: np.ndarray, classes: Sequence[str], most: int = 10) -> list[ConfusedPair]:
    """The pairs with the most videos; of equals the one with the larger share of its class, then by name.

    Args:
        counts: see `confusion_counts`.
        classes: in their order.
        most: how many pairs.
    """
    totals = counts.sum(axis=1)
    pairs = [
        ConfusedPair(classes[row], classes[column], int(counts[row, column]), counts[row, column] / totals[row])
        for row, column in np.argwhere(counts)
        if row != column
    ]
    return sorted(pairs, key=lambda pair: (-pair.videos, -pair.share, pair.label, pair.predicted))[:most]


def confusion_figure(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Shares of each true class as shades; up to 15 classes also the number of videos.

    Cells keep a readable size, so that the figure grows with the number of classes (101: 20 inches).

    Args:
        counts: see `confusion_counts`.
        classes: in their order.
    """
    few = len(classes) <= MOST_WITH_NUMBERS
    cell, points = (0.5, 9) if few else (0.165, 7)
    side = cell * len(classes) + 0.012 * points * max(map(len, classes)) + 0.8
    figure = new_figure(max(side + 0.6, 4), max(side, 3.4))
    axes = figure.subplots()
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    image = axes.imshow(100 * shares, cmap=_shades(), norm=_roots())
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=points)
    axes.set_yticks(range(len(classes)), classes, fontsize=points)
    axes.set(xlabel="predicted class", ylabel="true class")
    if few:
        _write_numbers(axes, counts, shares)
    else:
        _rule(axes, len(classes))
    bar = figure.colorbar(image, ax=axes, shrink=min(1, 3 / side), aspect=25, pad=0.02, anchor=(0, 1))
    bar.set_ticks([0, 5, 25, 50, 100])
    bar.set_label("% of the true class")
    return figure


def _roots() -> PowerNorm:
    """Few videos show too."""
    from matplotlib.colors import PowerNorm

    return PowerNorm(0.5, vmin=0, vmax=100)


def _shades() -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    colour = to_rgb(COLOURS[0])
    return LinearSegmentedColormap.from_list("share", [(*colour, 0.0), (*colour, 1.0)])  # zero: the page shows through


def _write_numbers(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for row, column in np.argwhere(counts):
        text = axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=9)
        if shares[row, column] > 0.4:  # on dark shades
            text.set_color("white")


def _rule(axes: Axes, classes: int) -> None:
    """A line every five classes leads the eye from a cell to its name."""
    for position in np.arange(4.5, classes - 1, 5):
        axes.axhline(position, color="#808080", alpha=0.35, linewidth=0.5)
        axes.axvline(position, color="#808080", alpha=0.35, linewidth=0.5)
