"""A weight λ that fades over the run."""

from __future__ import annotations

import math

__all__ = ["weight_factor"]


def weight_factor(name: str, progress: float) -> float:
    """What λ is multiplied with after a share `progress`, 0 … 1, of the run.

    1 if `"constant"`; `"linear"` and `"cosine"` go from 1 to 0.
    """
    if name == "linear":
        return 1 - progress
    return (1 + math.cos(math.pi * progress)) / 2 if name == "cosine" else 1.0
