"""How sure a mean over videos is: by drawing videos anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from hf_selfdistill.evaluation.student import student

__all__ = ["Estimate", "estimate", "estimated_mean", "resampled_means"]

DRAWS = 2000


@dataclass(frozen=True)
class Estimate:
    """A figure and the 95 % interval around it.

    Args:
        value: measured.
        low: its lower end; NaN where it is not known.
        high: its upper end.
    """

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """For JSON, which has no NaN."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


def resampled_means(values: Tensor, groups: Sequence[str]) -> Tensor:
    """Means over videos drawn with replacement, in whole groups.

    Videos of one group (a source, a person) are alike, so that drawing single videos would feign certainty. The draws
    depend on the groups alone: means of two models on the same videos are paired.

    Args:
        values: `(V,)`, such as 1 for a right answer; NaN counts for nothing.
        groups: V names.

    Returns:
        `(2000,)` float64; NaN for a draw without a value.
    """
    names = sorted(set(groups))
    place = {name: index for index, name in enumerate(names)}
    index = torch.tensor([place[group] for group in groups])
    values = values.double()
    total, videos = (
        torch.zeros(len(names), dtype=torch.float64).index_add_(0, index, part)
        for part in (values.nan_to_num(0.0), (~values.isnan()).double())
    )
    drawn = torch.randint(len(names), (DRAWS, len(names)), generator=torch.Generator().manual_seed(0))
    return total[drawn].sum(1) / videos[drawn].sum(1)


def estimate(value: float, draws: Tensor, groups: int) -> Estimate:
    """The value with the middle of its draws: 95 % of them where there are many groups, more where there are few.

    Draws of n groups scatter by √((n − 1) / n) too little, and how much they scatter n groups tell but roughly: the
    share that is cut off is that of the expanded percentile interval (Hesterberg, The American Statistician 69, 2015).

    Args:
        value: measured.
        draws: `(draws,)`, those that are NaN are left out.
        groups: how many were drawn from; of a single one there is no interval.
    """
    if groups < 2:
        return Estimate(value, math.nan, math.nan)
    tail = math.erfc(student(groups - 1) * math.sqrt(groups / (groups - 1)) / math.sqrt(2)) / 2
    low, high = draws.nanquantile(torch.tensor([tail, 1 - tail], dtype=draws.dtype)).tolist()
    return Estimate(value, low, high)


def estimated_mean(values: Tensor, groups: Sequence[str]) -> Estimate:
    """The mean of `values` over videos with its interval; see `resampled_means`."""
    values = values.double()
    known = {group for group, value in zip(groups, values.tolist(), strict=True) if not math.isnan(value)}
    return estimate(values.nanmean().item(), resampled_means(values, groups), len(known))
