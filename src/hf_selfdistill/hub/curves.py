"""Training curves as a picture beside the model card."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["CURVES", "draw_curves"]

logger = logging.getLogger(__name__)

CURVES = "training_curves.png"
_PANELS = {
    "loss": {"loss": "loss", "ce_loss": "cross-entropy"},
    "distance to the teacher (unweighted)": {"distill_loss": "distance"},
    "validation accuracy": {"eval_video_top1": "video top-1", "eval_clip_top1": "clip top-1"},
}


def draw_curves(log_history: Sequence[dict[str, Any]], folder: Path) -> str | None:
    """Draws what the Trainer logged, in as many panels as there is something to show.

    Args:
        log_history: of the Trainer's state.
        folder: where `training_curves.png` goes.

    Returns:
        The file's name; None where nothing was logged twice, or matplotlib is missing, which is said.
    """
    panels = {title: _series(log_history, names) for title, names in _PANELS.items()}
    panels = {title: series for title, series in panels.items() if series}
    if not panels:
        return None
    try:
        from matplotlib.figure import Figure
    except ImportError:
        logger.info('the model card goes without training curves: pip install "hf_selfdistill[report]" for matplotlib')
        return None
    figure = Figure(figsize=(4 * len(panels), 3), layout="constrained")
    for axes, (title, series) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for label, (steps, values) in series.items():
            axes.plot(steps, values, label=label, marker="." if len(steps) < 20 else None)
        axes.set(title=title, xlabel="step")
        axes.legend()
    figure.savefig(folder / CURVES, dpi=120)
    return CURVES


def _series(log_history: Sequence[dict[str, Any]], names: dict[str, str]) -> dict[str, tuple[list[int], list[float]]]:
    series = {}
    for name, label in names.items():
        points = [(entry["step"], entry[name]) for entry in log_history if name in entry]
        if len(points) > 1:
            series[label] = ([step for step, _ in points], [value for _, value in points])
    return series
