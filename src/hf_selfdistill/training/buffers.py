"""Synchronisation of BatchNorm's running statistics over processes."""

from __future__ import annotations

import torch
from accelerate.utils import broadcast
from torch import nn

__all__ = ["share_buffers"]


@torch.no_grad()
def share_buffers(module: nn.Module) -> None:
    """Copy rank 0's buffers, the ones that are saved, to every process; a collective call.

    Without this, BatchNorm's running statistics differ: each process has the statistics of its own clips.
    """
    for buffer in module.buffers():
        buffer.copy_(broadcast(buffer.clone(), from_process=0))
