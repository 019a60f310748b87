"""A copy of the encoder in training, brought up to date."""

from __future__ import annotations

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from hf_selfdistill.training.buffers import share_buffers

__all__ = ["take_over", "whole"]


@torch.no_grad()
def take_over(encoder: nn.Module, model: nn.Module) -> None:
    """Give a copy the encoder as it stands, parameters and, of the first process, buffers; a collective call.

    Args:
        encoder: see `copy_encoder`.
        model: the classifier in training.
    """
    source = model.state_dict()
    for name, tensor in encoder.state_dict().items():
        tensor.copy_(whole(source[name]))
    share_buffers(encoder)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself; one that FSDP2 has sharded is gathered, a collective that every process enters."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
