"""Confidence intervals over groups of videos, by the jackknife."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Estimate", "estimated_mean", "jackknifed"]


@dataclass(frozen=True)
class Estimate:
    """Value with its 95 % confidence interval.

    Args:
        value: value of all videos.
        low: lower end of the interval; NaN if it is unknown.
        high: upper end of the interval; NaN if it is unknown.
    """

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """Return the estimate for JSON, with None instead of NaN."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


def jackknifed(
    measure: Callable[[Tensor], float],
    groups: Sequence[str],
    lowest: float = -math.inf,
    highest: float = math.inf,
    most_blocks: int = 20,
) -> Estimate:
    """Measure all videos, and leave out groups to estimate the 95 % interval.

    Videos of one group (a source, a person) are alike, so each group is left out as a whole. Groups are dealt into at
    most `most_blocks` blocks. The standard error is that of the delete-m_j jackknife, for blocks of different sizes
    (Busing, Meijer & van der Leeden, Statistics and Computing 9, 1999); the interval is Student's t for the number of
    blocks. A percentile bootstrap is too narrow for fewer than seven groups, and for CKA it would compare a video
    with its own copy.

    Args:
        measure: maps the selected videos, `(V,)` bool, to a value.
        groups: group of each of the V videos.
        lowest: lower bound of possible values; the estimate is clipped to it.
        highest: upper bound of possible values; the estimate is clipped to it.
        most_blocks: largest number of blocks, each of which costs one call of `measure`.

    Returns:
        The estimate; the interval is NaN for a single group, or if the videos without some block have no value.
    """
    from scipy.stats import t

    block = torch.from_numpy(np.unique(list(groups), return_inverse=True)[1] % most_blocks)
    value = measure(torch.ones(len(block), dtype=torch.bool))
    share = block.bincount().double() / len(block)
    width = math.nan
    if len(share) > 1:
        change = torch.tensor([measure(block != one) for one in range(len(share))], dtype=torch.float64) - value
        odds = 1 / share - 1
        errors = ((1 - share) * change).sum() - odds * change
        width = t.ppf(0.975, len(share) - 1) * (errors.square() / odds).mean().sqrt().item()
    return Estimate(*np.clip([value, value - width, value + width], lowest, highest).tolist())


def estimated_mean(
    values: Tensor, groups: Sequence[str], lowest: float = 0.0, highest: float = 1.0, most_blocks: int = 200
) -> Estimate:
    """Return the mean of `values` `(V,)`, without NaN, with its interval; for the arguments see `jackknifed`."""
    known = ~values.isnan()
    counted = values[known].double()
    groups = [group for group, is_known in zip(groups, known.tolist(), strict=True) if is_known]
    return jackknifed(lambda kept: counted[kept].mean().item(), groups, lowest, highest, most_blocks)
