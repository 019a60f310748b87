"""BatchNorm's running statistics on several processes."""

from __future__ import annotations

import torch
from accelerate.utils import broadcast
from torch import nn

__all__ = ["share_buffers"]


@torch.no_grad()
def share_buffers(module: nn.Module) -> None:
    """Give every process rank 0's buffers, which are those that are saved; a collective call.

    BatchNorm's running statistics are each process's own: those of the clips that it saw.
    """
    for buffer in module.buffers():
        buffer.copy_(broadcast(buffer.clone(), from_process=0))
