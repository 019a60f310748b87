"""Figures of an encoder's features before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_selfdistill.training.figures import COLOURS, GREY, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MEASUREMENTS", "drift_figure", "forgetting_figure"]

MEASUREMENTS = {"linear_probe_top1": "linear probe", "knn_top1": "nearest neighbours", "retrieval_top1": "retrieval"}
"""Measurements that the figure shows, all top-1 → their labels."""


def forgetting_figure(before: Mapping[str, Any], after: Mapping[str, Any], chance: float) -> Figure:
    """Draw each measurement before and after fine-tuning, with its confidence interval.

    Args:
        before: measurement → `value`, `low` and `high`, fractions of 1; `low` and `high` are None if the interval is
            unknown. Measurements that are not in `MEASUREMENTS` are not drawn.
        after: the measurements after fine-tuning, in the form of `before`.
        chance: accuracy by chance, a fraction of 1, marked by a line.
    """
    shown = [name for name in MEASUREMENTS if name in before]
    figure = new_figure(6, 1.1 + 0.55 * len(shown))
    axes = figure.subplots()
    for number, (when, figures) in enumerate((("before", before), ("after", after))):
        rows = [row + 0.14 * (2 * number - 1) for row in range(len(shown))]
        intervals = [figures[name] for name in shown]
        values, low, high = (100 * np.array([_end(one, end) for one in intervals]) for end in ("value", "low", "high"))
        style: dict[str, Any] = {
            "color": COLOURS[number],
            "marker": MARKERS[number],
            "linestyle": "none",
            "capsize": 3,
        }
        axes.errorbar(
            values, rows, xerr=np.maximum([values - low, high - values], 0), label=f"{when} fine-tuning", **style
        )
    axes.axvline(100 * chance, color=GREY, linestyle=":", label="chance")
    axes.set_yticks(range(len(shown)), [MEASUREMENTS[name] for name in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(0, 102)  # room for the markers at 100
    axes.set_xlabel("top-1 (%), with confidence interval")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=9, ncols=3, loc="outside upper center")
    return figure


def _end(interval: Mapping[str, Any], end: str) -> float:
    """Return an end of an interval; the value itself if the interval is unknown."""
    return interval["value"] if interval[end] is None else interval[end]


def drift_figure(layers: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the similarity of each layer's features before and after fine-tuning, the first layer on top.

    Args:
        layers: `name` and `cka` of each layer, linear CKA from 0 to 1 with its interval. Layers without CKA are not
            drawn.
    """
    layers = [layer for layer in layers if layer["cka"] is not None]
    figure = new_figure(6, 0.9 + 0.3 * len(layers))
    axes = figure.subplots()
    rows = range(len(layers))
    values = [layer["cka"]["value"] for layer in layers]
    shown = np.clip(values, 0, 1)  # an unbiased estimate can lie outside 0 … 1
    axes.hlines(rows, 0, shown, color=GREY, linewidth=1)
    axes.plot(shown, rows, color=COLOURS[0], marker=MARKERS[0], linestyle="none", clip_on=False, zorder=3)
    for row, layer in enumerate(layers):
        low, high = (layer["cka"][end] for end in ("low", "high"))
        ends = [shown[row]] * 2 if low is None else np.clip([low, high], 0, 1)
        axes.hlines(row, *ends, color=COLOURS[0], linewidth=4, alpha=0.35)
        text = f"{values[row]:.2f}"
        axes.annotate(text, (max(*ends, shown[row]), row), (8, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(rows, [layer["name"] for layer in layers], fontsize=9)
    axes.set_ylim(len(layers) - 0.5, -0.5)
    axes.set_xlim(0, 1.1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel("CKA of features before and after (1: equal), with confidence interval")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
