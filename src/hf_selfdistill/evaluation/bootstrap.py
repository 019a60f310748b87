"""How sure a mean over videos is: by drawing videos anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

__all__ = ["Estimate", "estimate", "estimated_mean", "resampled_means"]

DRAWS, LEVEL = 2000, 0.95


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


def estimate(value: float, draws: Tensor) -> Estimate:
    """The value with the middle 95 % of its draws `(draws,)`, those that are NaN left out."""
    tails = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=draws.dtype)
    low, high = draws.nanquantile(tails).tolist()
    return Estimate(value, low, high)


def estimated_mean(values: Tensor, groups: Sequence[str]) -> Estimate:
    """The mean of `values` over videos with its interval; see `resampled_means`."""
    return estimate(values.double().nanmean().item(), resampled_means(values, groups))
