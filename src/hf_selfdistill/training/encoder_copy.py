"""Updates of a copy of the encoder in training."""

from __future__ import annotations

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from hf_selfdistill.training.buffers import share_buffers

__all__ = ["take_over", "whole"]


@torch.no_grad()
def take_over(encoder: nn.Module, model: nn.Module) -> None:
    """Copy the current parameters of the encoder, and the first process's buffers, to a copy; a collective call.

    Args:
        encoder: the copy, see `copy_encoder`.
        model: the classifier in training.
    """
    source = model.state_dict()
    for name, tensor in encoder.state_dict().items():
        tensor.copy_(whole(source[name]))
    share_buffers(encoder)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor; a tensor that FSDP2 has sharded is gathered by a collective call of all processes."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
