"""Folding of batch normalisation with running statistics into the convolutions before it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import cast

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import fuse_conv_bn_weights

from hf_selfdistill.models.convolutions import NormsAfterConvolutions

__all__ = ["fold_batch_norm", "without_batch_norm"]


def without_batch_norm(model: nn.Module) -> nn.Module | None:
    """Return a copy of the model for `fold_batch_norm`; None if the model has no batch normalisation to fold.

    Args:
        model: any model; the layers of C3D and R(2+1)D can be folded.
    """
    folded, found = copy.deepcopy(model), False
    for layer, convolution, norm in _pairs(folded):
        bias = torch.empty_like(cast(torch.Tensor, layer.get_submodule(norm).running_mean))
        layer.get_submodule(convolution).bias = nn.Parameter(bias, requires_grad=False)
        setattr(layer, norm, nn.Identity())
        found = True
    return folded if found else None


@torch.no_grad()
def fold_batch_norm(model: nn.Module, folded: nn.Module) -> None:
    """Write the weights of `model`, with their batch normalisation, into its copy of `without_batch_norm`.

    In evaluation mode the copy computes what the model does, up to rounding of the scaled weights.
    """
    layers = dict(folded.named_modules())
    names = {layer: name for name, layer in model.named_modules()}
    for layer, convolution, norm in _pairs(model):
        conv = cast(nn.Conv3d, layer.get_submodule(convolution))
        bn = cast(_BatchNorm, layer.get_submodule(norm))
        assert bn.running_mean is not None and bn.running_var is not None
        weight, bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
        )
        target = cast(nn.Conv3d, layers[names[layer]].get_submodule(convolution))
        target.weight.copy_(weight)
        cast(torch.Tensor, target.bias).copy_(bias)


def _pairs(model: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Yield each layer with the names of a convolution and of the batch normalisation after it."""
    for layer in model.modules():
        if isinstance(layer, NormsAfterConvolutions):
            for convolution, norm in layer.norms_after.items():
                if isinstance(layer.get_submodule(convolution), nn.Conv3d):  # and not replaced by an adapter
                    yield layer, convolution, norm
