"""Training curves as a picture beside the model card."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_selfdistill.training.curves import training_curves

__all__ = ["CURVES", "draw_curves"]

logger = logging.getLogger(__name__)

CURVES = "training_curves.png"


def draw_curves(log_history: Sequence[dict[str, Any]], folder: Path) -> str | None:
    """Puts what the Trainer logged beside the card.

    Args:
        log_history: of the Trainer's state.
        folder: where `training_curves.png` goes.

    Returns:
        The file's name; None where nothing was logged twice, or matplotlib is missing, which is said.
    """
    try:
        figure = training_curves(log_history)
    except ImportError as error:
        logger.info("the model card goes without training curves: %s", error)
        return None
    if figure is None:
        return None
    figure.savefig(folder / CURVES)
    return CURVES
