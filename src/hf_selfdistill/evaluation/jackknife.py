"""How sure a figure is that videos make up together, such as CKA: by leaving some out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hf_selfdistill.evaluation.bootstrap import Estimate
from hf_selfdistill.evaluation.student import student

__all__ = ["jackknifed"]

MOST_BLOCKS = 20


def jackknifed(measure: Callable[[Tensor], float], groups: Sequence[str]) -> Estimate:
    """A figure of all videos with its 95 % interval, by the jackknife.

    Videos drawn with replacement (`bootstrap`) would be held against themselves. Groups are left out whole, and are
    dealt into at most 20 blocks. Blocks have different numbers of videos, and figures such as the effective rank grow
    with that number: the error is that of the delete-m_j jackknife (Busing, Meijer & van der Leeden, Statistics and
    Computing 9, 1999), for equal blocks the textbook's.

    Args:
        measure: the figure of some of the videos, those that are True in `(V,)` bool.
        groups: V names.

    Returns:
        With NaN for an interval where there is one group, or no value without some block.
    """
    place = {name: index % MOST_BLOCKS for index, name in enumerate(sorted(set(groups)))}
    block = torch.tensor([place[group] for group in groups])
    value = measure(torch.ones(len(groups), dtype=torch.bool))
    blocks = len(set(place.values()))
    if blocks == 1:
        return Estimate(value, float("nan"), float("nan"))
    without = torch.tensor([measure(block != left_out) for left_out in range(blocks)], dtype=torch.float64)
    share = block.bincount().double() / len(block)
    pseudo = value / share - (1 / share - 1) * without  # the blocks' own values
    unbiased = blocks * value - ((1 - share) * without).sum()
    error = ((pseudo - unbiased).square() / (1 / share - 1)).mean().sqrt().item()
    width = student(blocks - 1) * error
    return Estimate(value, value - width, value + width)
