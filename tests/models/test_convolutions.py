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


FACTORED = [
    {"kernel_size": (1, 7, 7), "stride": (1, 2, 2), "padding": (0, 3, 3)},
    {"kernel_size": (1, 3, 3), "padding": (0, 1, 1), "dilation": (1, 2, 2), "groups": 2},
    {"kernel_size": (1, 1, 1), "stride": (1, 2, 2)},
    {"kernel_size": (3, 1, 1), "padding": (1, 0, 0)},
    {"kernel_size": (3, 1, 1), "padding": (1, 0, 0), "dilation": (2, 1, 1), "groups": 2},
    {"kernel_size": (3, 1, 1), "stride": (2, 1, 1), "padding": (1, 0, 0)},
    {"kernel_size": (1, 1, 1), "stride": (2, 1, 1)},
]


@pytest.mark.parametrize("settings", FACTORED)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
def test_factored_kernels_equal_pytorchs_convolution_up_to_rounding(settings, batch, memory_format):
    """Sums in another order: 1e-5 of the norm in single precision, 1e-13 in double."""
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-13)):
        layer = PaddedConv3d(4, 6, **settings).to(dtype)
        clips = torch.randn(batch, 4, 5, 9, 11, dtype=dtype).contiguous(memory_format=memory_format).requires_grad_()
        found, expected = layer(clips), nn.Conv3d.forward(layer, clips)
        direction, inputs = torch.randn_like(expected), [clips, *layer.parameters()]
        gradients = [torch.autograd.grad(output, inputs, direction) for output in (found, expected)]
        for ours, theirs in zip((found, *gradients[0]), (expected, *gradients[1]), strict=True):
            assert ours.shape == theirs.shape
            assert (ours - theirs).norm() <= tolerance * theirs.norm()


@pytest.mark.parametrize("settings", FACTORED)
def test_factored_kernels_keep_clips_channels_last(settings):
    clips = torch.randn(2, 4, 5, 9, 11).contiguous(memory_format=torch.channels_last_3d)
    assert PaddedConv3d(4, 6, **settings)(clips).is_contiguous(memory_format=torch.channels_last_3d)
