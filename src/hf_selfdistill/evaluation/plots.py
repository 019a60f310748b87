"""Results of many runs as figures: against λ, and what was learnt against what was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_selfdistill.evaluation.comparison import spread
from hf_selfdistill.training.figures import COLOURS, GREY, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

__all__ = ["Outcome", "frontier_figure", "lambda_figure", "not_dominated"]

_PLACES = [(x, y) for near in (3, 8, 15, 24, 36) for x in (near, -near) for y in (near, -near)]
"""Where a label may stand, in points from its point, the best place first."""


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
        ValueError: there is nothing to draw, or more settings than colours.
    """
    weights = sorted({weight for of_setting in accuracies.values() for weight in of_setting})
    if not weights or len(accuracies) > len(COLOURS):
        raise ValueError(f"{len(accuracies)} settings with {len(weights)} λ; give 1 to {len(COLOURS)} with one λ each")
    figure = new_figure(6, 3.6)
    axes = figure.subplots()
    for number, (name, of_setting) in enumerate(accuracies.items()):
        points = sorted(of_setting.items())
        means = [100 * float(np.mean(values)) for _, values in points]
        spreads = [100 * spread(values) for _, values in points]
        style: dict[str, Any] = {"color": COLOURS[number], "marker": MARKERS[number], "capsize": 3, "markersize": 5}
        axes.errorbar([weight for weight, _ in points], means, spreads, label=name, **style)
    smallest = min((weight for weight in weights if weight > 0), default=1.0)
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.6)
    axes.set_xticks(weights, [f"{weight:g}" for weight in weights])
    axes.minorticks_off()
    axes.set(xlabel="λ", ylabel="accuracy (%)", title=_runs_in_words(accuracies))
    axes.title.set_fontsize(9)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(accuracies) > 1:
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
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    axes.plot([100 * o.retention for o in best], [100 * o.accuracy for o in best], color=COLOURS[0], linewidth=1)
    for outcome in outcomes:
        colour, marker = (COLOURS[0], MARKERS[0]) if outcome in best else (GREY, MARKERS[1])
        x, y, dx, dy = (100 * value for value in _numbers(outcome))
        axes.errorbar(x, y, dy, dx, color=colour, marker=marker, elinewidth=0.8, capsize=2, markersize=5)
    axes.margins(0.15)
    axes.set(xlabel="retention (%)", ylabel="accuracy (%)")
    axes.set_title("mean ± standard deviation; the line joins what no other setting beats in both", fontsize=9)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.draw_without_rendering()  # fixes the axes, from which places are measured
    figure.set_layout_engine("none")
    _write_names(axes, outcomes)
    return figure


def _numbers(outcome: Outcome) -> tuple[float, float, float, float]:
    return outcome.retention, outcome.accuracy, outcome.retention_std, outcome.accuracy_std


def _write_names(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    """Each beside its point, where it covers no point and no other name."""
    taken = [box for outcome in outcomes for box in _marks(axes, outcome)]
    for outcome in outcomes:
        label = axes.annotate(
            outcome.name, (100 * outcome.retention, 100 * outcome.accuracy), (0, 0), textcoords="offset points"
        )
        label.set_fontsize(9)
        taken.append(_place(label, axes, taken))


def _marks(axes: Axes, outcome: Outcome) -> list[np.ndarray]:
    """Boxes `(x0, y0, x1, y1)` in pixels of a point's marker and of its two bars."""
    x, y, dx, dy = (100 * value for value in _numbers(outcome))
    (x0, y0), (x1, y1), (x, y) = axes.transData.transform([(x - dx, y - dy), (x + dx, y + dy), (x, y)])
    return [np.array(box) for box in ((x - 5, y - 5, x + 5, y + 5), (x0, y - 3, x1, y + 3), (x - 3, y0, x + 3, y1))]


def _place(label: Annotation, axes: Axes, taken: Sequence[np.ndarray]) -> np.ndarray:
    """Moves a label to its least covered place and returns its box there, `(x0, y0, x1, y1)` in pixels."""
    frame = np.array(axes.get_window_extent().extents)
    costs = []
    for x, y in _PLACES:
        box = _move(label, x, y)
        inside = _overlap(box, frame) >= 0.999 * (box[2] - box[0]) * (box[3] - box[1])
        costs.append(sum(_overlap(box, other) for other in taken) + (0 if inside else 1e6))
    return _move(label, *_PLACES[int(np.argmin(costs))])


def _move(label: Annotation, x: float, y: float) -> np.ndarray:
    label.set_position((x, y))
    label.set_horizontalalignment("left" if x > 0 else "right" if x < 0 else "center")
    label.set_verticalalignment("bottom" if y > 0 else "top" if y < 0 else "center")
    return np.array(label.get_window_extent().extents)


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    return float(np.prod(sides.clip(min=0)))
