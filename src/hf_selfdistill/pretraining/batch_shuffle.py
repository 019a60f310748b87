"""Shuffled batch normalisation (He et al., MoCo, arXiv 1911.05722).

If each process normalises with its own clips, a query shares its batch statistics with its key, which makes the key
easy to find. Therefore clips are shuffled between the processes before the keys are computed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, gather
from torch import Tensor

__all__ = ["on_shuffled_batch"]


@torch.no_grad()
def on_shuffled_batch(function: Callable[[Tensor], tuple[Tensor, ...]], clips: Tensor) -> tuple[Tensor, ...]:
    """Return `function(clips)`, computed on clips that are shuffled between the processes.

    Args:
        function: maps clips `(clips, …)` to tensors with a row per clip.
        clips: clips of this process; every process must have the same number.

    Returns:
        The rows of this process's clips, in their order.
    """
    state = PartialState()
    if state.num_processes == 1:
        return function(clips)
    everyone = gather(clips.contiguous())
    order = broadcast(torch.randperm(len(everyone), device=clips.device), from_process=0)
    mine = order.chunk(state.num_processes)[state.process_index]
    back = order.argsort().chunk(state.num_processes)[state.process_index]
    return tuple(gather(rows.contiguous())[back] for rows in function(everyone[mine]))
