"""Tiny video classifiers of transformers, one per architecture, as they lie in a folder or on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    BaseVideoProcessor,
    LlavaOnevisionVideoProcessor,
    PreTrainedModel,
    TimesformerConfig,
    TimesformerForVideoClassification,
    TimesformerVideoProcessor,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    VideoMAEVideoProcessor,
    VideoPrismForVideoClassification,
    VideoPrismVisionConfig,
    VivitConfig,
    VivitForVideoClassification,
    VivitVideoProcessor,
    VJEPA2Config,
    VJEPA2ForVideoClassification,
    VJEPA2VideoProcessor,
    set_seed,
)

ARCHITECTURES = ("timesformer", "videomae", "vivit", "vjepa2", "videoprism")
FRAMES, SIZE, CLASSES = 4, 16, 3

WIDTHS: dict[str, Any] = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": SIZE,
    "num_labels": CLASSES,
}
CROPPED = {"size": {"shortest_edge": 18}, "crop_size": {"height": SIZE, "width": SIZE}}


def tiny_model(architecture: str) -> PreTrainedModel:
    """A classifier of three classes and clips of 4 frames of 16×16 pixels, always the same."""
    set_seed(0)
    match architecture:
        case "timesformer":
            config = TimesformerConfig(num_hidden_layers=1, patch_size=8, num_frames=FRAMES, **WIDTHS)
            return TimesformerForVideoClassification(config)
        case "videomae":
            config = VideoMAEConfig(
                num_hidden_layers=1,
                patch_size=8,
                num_frames=FRAMES,
                decoder_hidden_size=16,
                decoder_num_attention_heads=2,
                decoder_num_hidden_layers=1,
                decoder_intermediate_size=32,
                **WIDTHS,
            )
            return VideoMAEForVideoClassification(config)
        case "vivit":
            config = VivitConfig(num_hidden_layers=1, tubelet_size=[2, 8, 8], num_frames=FRAMES, **WIDTHS)
            return VivitForVideoClassification(config)
        case "vjepa2":
            config = VJEPA2Config(
                num_hidden_layers=1,
                patch_size=8,
                crop_size=SIZE,
                frames_per_clip=FRAMES,
                mlp_ratio=2,
                num_pooler_layers=1,
                pred_hidden_size=16,
                pred_num_attention_heads=2,
                pred_num_hidden_layers=1,
                **WIDTHS,
            )
            return VJEPA2ForVideoClassification(config)
    config = VideoPrismVisionConfig(
        tubelet_size=[1, 8, 8],
        num_frames=FRAMES,
        num_spatial_layers=1,
        num_temporal_layers=1,
        num_auxiliary_layers=1,
        **WIDTHS,
    )
    return VideoPrismForVideoClassification(config)


def tiny_processor(architecture: str) -> BaseVideoProcessor:
    """The processor of that architecture for clips of that size."""
    match architecture:
        case "timesformer":
            return TimesformerVideoProcessor(**CROPPED)
        case "videomae":
            return VideoMAEVideoProcessor(**CROPPED)
        case "vivit":
            return VivitVideoProcessor(**CROPPED)
        case "vjepa2":
            return VJEPA2VideoProcessor(**CROPPED)
    return LlavaOnevisionVideoProcessor(size={"height": SIZE, "width": SIZE})


def save_checkpoint(model: PreTrainedModel, processor: BaseVideoProcessor, folder: Path) -> Path:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
