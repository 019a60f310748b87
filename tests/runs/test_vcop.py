"""VCOP's clips."""

from __future__ import annotations

import torch

from hf_selfdistill import C3DVideoProcessor
from hf_selfdistill.runs.vcop import vcop_processor


def test_vcops_pictures_at_112_pixels_are_the_centre_of_128_by_171_in_0_to_1():
    processor = vcop_processor(C3DVideoProcessor())
    frames = torch.arange(171, dtype=torch.uint8).expand(1, 3, 128, 171)  # the colour of a pixel is its column
    clip = processor(frames, do_sample_frames=False, return_tensors="pt")["pixel_values"][0]
    assert clip.shape == (1, 3, 112, 112)
    left = round(clip[0, 0, 0, 0].item() * 255)
    assert left in (29, 30)
    torch.testing.assert_close(clip[0, 0, 5] * 255, torch.arange(left, left + 112.0))
