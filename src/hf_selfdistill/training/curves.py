"""Curves of the values that a Trainer logged."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_selfdistill.training.accuracies import with_a_blank
from hf_selfdistill.training.card import CURVES
from hf_selfdistill.training.figures import COLOURS, MARKERS, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curve_figures", "draw_curves", "training_curves"]

logger = logging.getLogger(__name__)

Series = dict[str, tuple[list[int], list[float]]]

_PANELS = {
    "loss": {"loss": "loss", "ce_loss": "cross-entropy"},
    "distance to the teacher (unweighted)": {"distill_loss": "distance"},
    "validation accuracy (%)": {"eval_video_top1": "video top-1", "eval_clip_top1": "clip top-1"},
    "retention (%)": {"eval_retention": "linear probe", "eval_retention_knn": "kNN"},
}
_OBJECTIVE = {"objective, accuracy (%)": ("_accuracy", "_top1"), "objective, squared error": ("_mse",)}
"""Maps the title of a panel to the endings of the metrics that a pre-training objective logs."""


def training_curves(log_history: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draw loss, distance, accuracy, retention and an objective's metrics against steps, side by side.

    Args:
        log_history: the `log_history` of the Trainer's state.

    Returns:
        A figure with one panel for each kind of metric; None if no metric was logged at least twice.

    Raises:
        ImportError: matplotlib is missing.
    """
    panels = _panels(log_history)
    if not panels:
        return None
    figure = new_figure(4 * len(panels), 3)
    for axes, (title, series) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        _draw(axes, title, series)
    return figure


def curve_figures(log_history: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Draw each panel of `training_curves` as a separate figure; return the figures by title."""
    figures = {}
    for title, series in _panels(log_history).items():
        figures[title] = new_figure(4, 3)
        _draw(figures[title].subplots(), title, series)
    return figures


def draw_curves(log_history: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Save the training curves to a folder, if matplotlib is installed and a metric was logged at least twice."""
    try:
        figure = training_curves(log_history)
    except ImportError as error:
        logger.info("No training curves are drawn: %s", error)
        return
    if figure is not None:
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(figure, folder / CURVES)


def _panels(log_history: Sequence[Mapping[str, Any]]) -> dict[str, Series]:
    names = _PANELS | {title: _of_objective(log_history, endings) for title, endings in _OBJECTIVE.items()}
    panels = {title: _series(log_history, of_panel, 100 if "%" in title else 1) for title, of_panel in names.items()}
    return {title: series for title, series in panels.items() if series}


def _of_objective(log_history: Sequence[Mapping[str, Any]], endings: tuple[str, ...]) -> dict[str, str]:
    """Return the logged metrics with these endings, of training and of held-out videos: label by name."""
    logged = dict.fromkeys(name for entry in log_history for name in entry if name.endswith(endings))
    in_training = {name: with_a_blank(name).replace("_", " ") for name in logged if not name.startswith("eval_")}
    return in_training | {f"eval_{name}": f"{label}, held out" for name, label in in_training.items()}


def _series(log_history: Sequence[Mapping[str, Any]], names: Mapping[str, str], scale: float) -> Series:
    series = {}
    for name, label in names.items():
        points = [(entry["step"], scale * entry[name]) for entry in log_history if name in entry]
        if len(points) > 1:
            series[label] = ([step for step, _ in points], [value for _, value in points])
    return series


def _draw(axes: Axes, title: str, series: Series) -> None:
    for (label, (steps, values)), colour, marker in zip(series.items(), COLOURS, MARKERS, strict=False):
        axes.plot(steps, values, label=label, color=colour, marker=marker if len(steps) < 40 else None, markersize=4)
    if "%" in title:  # equal axes make panels comparable, although retention can leave the range 0 to 100
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, -3), max(high, 103))  # the margin keeps markers at 0 and 100 whole
    axes.locator_params("x", integer=True)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("step")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    if len(series) > 1 or next(iter(series)) not in title:
        axes.legend(frameon=False, fontsize=9)
