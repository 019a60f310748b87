"""Figures of many runs: accuracy against λ, and accuracy against retention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_selfdistill.experiments.comparison import spread
from hf_selfdistill.training.figures import GREY, look, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Outcome", "frontier_figure", "lambda_figure", "not_dominated"]


@dataclass(frozen=True)
class Outcome:
    """Results of a setting over its runs, as fractions of 1.

    Args:
        name: name of the setting.
        accuracy: mean accuracy.
        accuracy_std: standard deviation of the accuracy.
        retention: mean retention.
        retention_std: standard deviation of the retention.
    """

    name: str
    accuracy: float
    accuracy_std: float
    retention: float
    retention_std: float


def lambda_figure(accuracies: Mapping[str, Mapping[float, Sequence[float]]]) -> Figure:
    """Plot mean ± standard deviation of the accuracy against λ, on a logarithmic axis that includes λ = 0.

    Args:
        accuracies: maps the name of a curve to {λ: accuracies of its runs, as fractions of 1}.

    Raises:
        ValueError: `accuracies` is empty.
    """
    weights = sorted({weight for of_setting in accuracies.values() for weight in of_setting})
    if not weights:
        raise ValueError("there is no accuracy to plot")
    figure = new_figure(7.4, max(3.6, 0.5 + 0.2 * len(accuracies)))
    axes = figure.subplots()
    for number, (name, of_setting) in enumerate(accuracies.items()):
        points = sorted(of_setting.items())
        means = [100 * float(np.mean(values)) for _, values in points]
        spreads = [100 * spread(values) for _, values in points]
        style: dict[str, Any] = {**look(number), "capsize": 3, "markersize": 5}
        axes.errorbar([weight for weight, _ in points], means, spreads, label=name, **style)
    smallest = min((weight for weight in weights if weight > 0), default=1.0)
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.6)
    axes.set_xticks(weights, [f"{weight:g}" for weight in weights])
    axes.minorticks_off()
    runs = sorted({len(values) for of_setting in accuracies.values() for values in of_setting.values()})
    counts = " to ".join(map(str, dict.fromkeys((runs[0], runs[-1]))))
    title = "one run per point" if runs == [1] else f"mean ± standard deviation of {counts} runs per point"
    _finish(axes, "λ", title)
    return figure


def not_dominated(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes on the Pareto front of mean accuracy and mean retention, by increasing retention."""
    kept = [
        one
        for one in outcomes
        if not any(
            other.accuracy >= one.accuracy
            and other.retention >= one.retention
            and (other.accuracy, other.retention) != (one.accuracy, one.retention)
            for other in outcomes
        )
    ]
    return sorted(kept, key=lambda outcome: (outcome.retention, -outcome.accuracy))


def frontier_figure(outcomes: Sequence[Outcome]) -> Figure:
    """Plot accuracy against retention with standard deviations; a line joins the Pareto front.

    Args:
        outcomes: results of each setting.

    Raises:
        ValueError: `outcomes` is empty.
    """
    if not outcomes:
        raise ValueError("there is no setting to plot")
    figure = new_figure(7.4, 4.2)
    axes = figure.subplots()
    front = not_dominated(outcomes)
    axes.plot([100 * o.retention for o in front], [100 * o.accuracy for o in front], color=GREY, linewidth=1)
    for number, outcome in enumerate(outcomes):
        numbers = (outcome.retention, outcome.accuracy, outcome.retention_std, outcome.accuracy_std)
        x, y, dx, dy = (100 * value for value in numbers)
        style: dict[str, Any] = look(number) | {"linestyle": ""}
        axes.errorbar(x, y, dy, dx, label=outcome.name, elinewidth=0.6, capsize=2, markersize=7, **style)
    axes.margins(0.1)
    _finish(axes, "retention (%)", "mean ± standard deviation; the line joins the Pareto front")
    return figure


def _finish(axes: Axes, xlabel: str, title: str) -> None:
    axes.set(xlabel=xlabel, ylabel="test top-1 (%)")
    axes.set_title(title, fontsize=9)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:  # a single curve has no name
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
