"""Clips of VCOP's retrieval protocol (Xu et al., CVPR 2019)."""

from __future__ import annotations

import datasets
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.data.sampling import clip_sampler, evenly_centred_clips
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.models.video_processing_c3d import C3DVideoProcessor

__all__ = ["describe_vcop", "vcop_clips", "vcop_processor"]


def vcop_clips(
    records: datasets.Dataset, model: PreTrainedModel, processor: BaseVideoProcessor, num_clips: int
) -> TestingClips:
    """Return clips whose centres are evenly spaced, processed by `vcop_processor`."""
    rate = ClipProcessor.sampling_of(processor)
    sampler = clip_sampler(num_clips, frames_per_clip(model.config), *rate, spread=evenly_centred_clips)
    return TestingClips(records, sampler, ClipProcessor(vcop_processor(processor)), model.main_input_name)


def vcop_processor(processor: BaseVideoProcessor) -> C3DVideoProcessor:
    """Return VCOP's processor at the model's size s: resized to 128/112·s × 171/112·s, centre s × s, in [0, 1]."""
    side, _ = ClipProcessor.size_of(processor)
    return C3DVideoProcessor(
        size={"height": round(side * 128 / 112), "width": round(side * 171 / 112)},
        crop_size={"height": side, "width": side},
        do_normalize=False,
    )


def describe_vcop(processor: BaseVideoProcessor) -> str:
    """Describe how frames become features."""
    vcop = vcop_processor(processor)
    return (
        f"resized to {vcop.size['height']}×{vcop.size['width']}, centre crop {vcop.crop_size['height']}, in 0 … 1, "
        "last map max-pooled 1×2×2"
    )
