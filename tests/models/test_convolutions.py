"""The convolution of our encoders against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hf_selfdistill.models.convolutions import PaddedConv3d


@pytest.mark.parametrize("stride", [1, (2, 1, 1)])
@pytest.mark.parametrize("kernel", [3, (3, 1, 1)])
@pytest.mark.parametrize("autocast", [False, True])
def test_gradients_of_two_frames_are_right_in_bfloat16(kernel, stride, autocast):
    layer = PaddedConv3d(64, 64, kernel, stride, padding=1 if kernel == 3 else (1, 0, 0))
    clips, direction = torch.randn(2, 64, 2, 4, 4), torch.randn(2, 64, 2 if stride == 1 else 1, 4, 4)
    (expected,) = torch.autograd.grad(nn.Conv3d.forward(layer, clips), layer.weight, direction)
    if autocast:
        with torch.autocast("cpu", torch.bfloat16):
            output = layer(clips)
    else:
        output = layer.bfloat16()(clips.bfloat16())
    (gradient,) = torch.autograd.grad(output, layer.weight, direction.bfloat16())
    assert (gradient - expected).norm() < 0.01 * expected.norm()


def test_in_single_precision_it_is_pytorchs_convolution():
    layer, clips = PaddedConv3d(3, 4, 3, padding=1), torch.randn(2, 3, 2, 4, 4)
    assert torch.equal(layer(clips), nn.Conv3d.forward(layer, clips))
