"""Schedules of the weight λ over a run."""

from __future__ import annotations

import math

__all__ = ["weight_factor"]


def weight_factor(name: str, progress: float) -> float:
    """Return the factor of λ at `progress`, 0 … 1, of the run.

    The factor is 1 with `"constant"` and falls from 1 to 0 with `"linear"` and `"cosine"`.
    """
    if name == "linear":
        return 1 - progress
    return (1 + math.cos(math.pi * progress)) / 2 if name == "cosine" else 1.0
