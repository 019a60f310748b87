"""Shuffled batch normalisation (He et al., MoCo, arXiv 1911.05722): keys are normalised among strangers.

Where each process normalises with its own clips, a query and its key share their statistics, which tells them apart
from all others. So the clips of all processes are shuffled between them before the keys are computed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from accelerate.utils import broadcast, gather
from torch import Tensor

__all__ = ["gathered", "on_shuffled_batch"]


def _processes() -> tuple[int, int]:
    """This process's number, and how many there are."""
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return (torch.distributed.get_rank(), torch.distributed.get_world_size()) if together else (0, 1)


def gathered(rows: Tensor) -> Tensor:
    """The rows of all processes, in their order."""
    return gather(rows) if _processes()[1] > 1 else rows


@torch.no_grad()
def on_shuffled_batch(function: Callable[[Tensor], tuple[Tensor, ...]], clips: Tensor) -> tuple[Tensor, ...]:
    """`function(clips)`, computed on clips shuffled between the processes; of one process, just that.

    Args:
        function: from clips `(clips, …)` to tensors with a row per clip.
        clips: of this process; all processes have as many.

    Returns:
        The rows of this process's clips, in their order.
    """
    rank, processes = _processes()
    if processes == 1:
        return function(clips)
    everyone = gather(clips.contiguous())
    order = broadcast(torch.randperm(len(everyone), device=clips.device), from_process=0)
    mine = order.chunk(processes)[rank]
    back = order.argsort().chunk(processes)[rank]
    return tuple(gather(rows.contiguous())[back] for rows in function(everyone[mine]))
