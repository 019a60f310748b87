"""Clips of VCOP's retrieval protocol (Xu et al., CVPR 2019)."""

from __future__ import annotations

import datasets
from torchvision.transforms import v2
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.data.sampling import ClipSampler, evenly_centred_clips
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.models.video_processing_c3d import C3DVideoProcessor

__all__ = ["describe_vcop", "vcop_clips", "vcop_transform"]


def vcop_clips(
    records: datasets.Dataset, model: PreTrainedModel, processor: BaseVideoProcessor, num_clips: int
) -> TestingClips:
    """Return clips whose centres are evenly spaced, transformed by `vcop_transform`."""
    rate = ClipProcessor.sampling_of(processor)
    sampler = ClipSampler(num_clips, frames_per_clip(model.config), *rate, spread=evenly_centred_clips)
    return TestingClips(records, sampler, vcop_transform(processor), model.main_input_name)


def vcop_transform(processor: BaseVideoProcessor) -> ClipProcessor:
    """Return VCOP's transform at the model's size s: resized to 128/112·s × 171/112·s, centre s × s, in [0, 1].

    The crop is torchvision's, as in VCOP. At 112 pixels it begins one column right of that of transformers.
    """
    height, width, side = _sizes(processor)
    crop = v2.Compose([v2.Resize((height, width), antialias=True), v2.CenterCrop(side)])
    return ClipProcessor(C3DVideoProcessor(do_normalize=False), crop)


def describe_vcop(processor: BaseVideoProcessor) -> str:
    """Describe how frames become features."""
    height, width, side = _sizes(processor)
    return f"resized to {height}×{width}, centre crop {side}, in 0 … 1, last map max-pooled 1×2×2"


def _sizes(processor: BaseVideoProcessor) -> tuple[int, int, int]:
    side, _ = ClipProcessor.size_of(processor)
    return round(side * 128 / 112), round(side * 171 / 112), side
