"""How sure a figure is that videos make up together, such as CKA: by leaving some out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hf_selfdistill.evaluation.bootstrap import Estimate

__all__ = ["jackknifed"]

MOST_BLOCKS, NORMAL = 50, 1.96  # standard errors on either side of 95 %


def jackknifed(measure: Callable[[Tensor], float], groups: Sequence[str]) -> Estimate:
    """A figure of all videos with its 95 % interval, by the delete-a-block jackknife (Efron, 1982, SIAM).

    Videos drawn with replacement (`bootstrap`) would be held against themselves. Groups are left out whole, and are
    dealt into at most 50 blocks.

    Args:
        measure: the figure of some of the videos, those that are True in `(V,)` bool.
        groups: V names.

    Returns:
        With NaN for an interval where there is one group, or no value without some block.
    """
    place = {name: index % MOST_BLOCKS for index, name in enumerate(sorted(set(groups)))}
    block = torch.tensor([place[group] for group in groups])
    blocks = len(set(place.values()))
    value = measure(torch.ones(len(groups), dtype=torch.bool))
    if blocks == 1:
        return Estimate(value, float("nan"), float("nan"))
    without = torch.tensor([measure(block != left_out) for left_out in range(blocks)], dtype=torch.float64)
    error = ((without - without.mean()).square().sum() * (blocks - 1) / blocks).sqrt().item()
    return Estimate(value, value - NORMAL * error, value + NORMAL * error)
