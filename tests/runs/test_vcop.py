"""VCOP's clips."""

from __future__ import annotations

import torch

from hf_selfdistill import C3DVideoProcessor
from hf_selfdistill.runs.vcop import vcop_transform


def test_vcops_pictures_at_112_pixels_are_the_centre_of_128_by_171_in_0_to_1():
    frames = torch.arange(171, dtype=torch.uint8).expand(1, 3, 128, 171)  # the colour of a pixel is its column
    clip = vcop_transform(C3DVideoProcessor())(frames)
    assert clip.shape == (1, 3, 112, 112)
    torch.testing.assert_close(clip[0, 0, 5] * 255, torch.arange(30, 142.0))  # (171 − 112) / 2 = 29.5 becomes 30
