"""Results of many runs as figures: against λ, and what was learnt against what was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_selfdistill.experiments.comparison import spread
from hf_selfdistill.training.figures import GREY, look, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Outcome", "frontier_figure", "lambda_figure", "not_dominated"]


@dataclass(frozen=True)
class Outcome:
    """What a setting gave over its seeds, in fractions of 1.

    Args:
        name: of the setting.
        accuracy: mean.
        accuracy_std: standard deviation.
        retention: mean.
        retention_std: standard deviation.
    """

    name: str
    accuracy: float
    accuracy_std: float
    retention: float
    retention_std: float


def lambda_figure(accuracies: Mapping[str, Mapping[float, Sequence[float]]]) -> Figure:
    """Mean ± standard deviation of accuracy against λ, on an axis that is logarithmic but for λ = 0.

    Args:
        accuracies: setting → λ → accuracy of each seed or split, fractions of 1.

    Raises:
        ValueError: there is nothing to draw.
    """
    weights = sorted({weight for of_setting in accuracies.values() for weight in of_setting})
    if not weights:
        raise ValueError("there is no accuracy to draw")
    many = len(accuracies) > 6  # the legend stands beside
    figure = new_figure(7.4, max(3.6, 0.5 + 0.2 * len(accuracies))) if many else new_figure(6, 3.6)
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
    axes.set(xlabel="λ", ylabel="test top-1 (%)", title=_runs_in_words(accuracies))
    axes.title.set_fontsize(9)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if many:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    elif len(accuracies) > 1:
        axes.legend(frameon=False)
    return figure


def _runs_in_words(accuracies: Mapping[str, Mapping[float, Sequence[float]]]) -> str:
    runs = {len(values) for of_setting in accuracies.values() for values in of_setting.values()}
    counts = f"{min(runs)} to {max(runs)}" if len(runs) > 1 else str(min(runs))
    return "one run per point" if runs == {1} else f"mean ± standard deviation of {counts} runs per point"


def not_dominated(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that no other one equals or beats in both means and beats in one, by rising retention."""
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
    """Accuracy against retention, a point with standard deviations per setting; the best compromises are joined.

    Args:
        outcomes: of the settings.

    Raises:
        ValueError: there are none.
    """
    if not outcomes:
        raise ValueError("there is no setting to draw")
    best = not_dominated(outcomes)
    figure = new_figure(7.4, 4.2)
    axes = figure.subplots()
    axes.plot([100 * o.retention for o in best], [100 * o.accuracy for o in best], color=GREY, linewidth=1)
    for number, outcome in enumerate(outcomes):
        numbers = (outcome.retention, outcome.accuracy, outcome.retention_std, outcome.accuracy_std)
        x, y, dx, dy = (100 * value for value in numbers)
        style: dict[str, Any] = look(number) | {"linestyle": ""}
        axes.errorbar(x, y, dy, dx, label=outcome.name, elinewidth=0.6, capsize=2, markersize=7, **style)
    axes.margins(0.1)
    axes.set(xlabel="retention (%)", ylabel="test top-1 (%)")
    axes.set_title("mean ± standard deviation; the line joins what no other setting beats in both", fontsize=9)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
