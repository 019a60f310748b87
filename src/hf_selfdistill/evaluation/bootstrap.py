"""How sure a share of right answers is: by drawing videos anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

__all__ = ["Estimate", "estimate", "resampled_shares"]

DRAWS, LEVEL = 2000, 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure and the 95 % interval around it.

    Args:
        value: measured.
        low: 2.5 % of the draws lie below.
        high: 2.5 % of the draws lie above.
    """

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def resampled_shares(correct: Tensor, groups: Sequence[str]) -> Tensor:
    """Shares of right answers among videos drawn with replacement, in whole groups.

    Videos of one group (a source, a person) are alike, so that drawing single videos would feign certainty. The draws
    depend on the groups alone: shares of two models on the same videos are paired.

    Args:
        correct: `(V,)` bool.
        groups: V names.

    Returns:
        `(2000,)` float64.
    """
    names = sorted(set(groups))
    place = {name: index for index, name in enumerate(names)}
    index = torch.tensor([place[group] for group in groups])
    right = torch.zeros(len(names), dtype=torch.float64).index_add_(0, index, correct.double())
    videos = torch.zeros(len(names), dtype=torch.float64).index_add_(0, index, torch.ones(len(groups)).double())
    drawn = torch.randint(len(names), (DRAWS, len(names)), generator=torch.Generator().manual_seed(0))
    return right[drawn].sum(1) / videos[drawn].sum(1)


def estimate(value: float, draws: Tensor) -> Estimate:
    """The value with the middle 95 % of its draws `(draws,)`."""
    tails = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=draws.dtype)
    low, high = draws.quantile(tails).tolist()
    return Estimate(value, low, high)
