"""Augmentation that several objectives share: one draw for all frames of a clip, unless its name says otherwise."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from transformers import BaseVideoProcessor

from hf_selfdistill.data.transforms import ClipProcessor

__all__ = ["AsOneImage", "FrameByFrame", "normalisation", "random_crop", "resized_crop"]


class AsOneImage(nn.Module):
    """Applies a transform of images to a clip `(T, C, H, W)` as if its frames were one tall image.

    So one draw serves all frames, and contrast is changed about the mean of the whole clip.
    """

    def __init__(self, transform: v2.Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, clip: Tensor) -> Tensor:
        """`(T, C, H, W)` → the same."""
        tall = clip.transpose(0, 1).flatten(1, 2)  # (C, T·H, W)
        return self.transform(tall).unflatten(1, (len(clip), -1)).transpose(0, 1)


class FrameByFrame(nn.Module):
    """Applies a transform of images to each frame of a clip `(T, C, H, W)` with draws of its own."""

    def __init__(self, transform: v2.Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, clip: Tensor) -> Tensor:
        """`(T, C, H, W)` → the same."""
        return torch.stack([self.transform(frame) for frame in clip])


def random_crop(processor: BaseVideoProcessor, min_area: float) -> v2.Compose:
    """A crop of `min_area` … 1 of the frame, aspect 3/4 … 4/3, at the model's size: uint8 → float in 0 … 1.

    Resized bilinearly without antialiasing, as in RSPNet's released code.
    """
    size = ClipProcessor.size_of(processor)
    return v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomResizedCrop(size, scale=(min_area, 1.0), ratio=(3 / 4, 4 / 3), antialias=False),
        ]
    )


def resized_crop(processor: BaseVideoProcessor) -> v2.Compose:
    """The whole frame at 128×171 for a model of 112 pixels, then a crop at the model's size: uint8 → 0 … 1.

    Resized bilinearly without antialiasing, as OpenCV resizes in Pace's released code.
    """
    height, width = ClipProcessor.size_of(processor)
    return v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Resize((round(128 / 112 * height), round(171 / 112 * width)), antialias=False),
            v2.RandomCrop((height, width)),
        ]
    )


def normalisation(processor: BaseVideoProcessor) -> v2.Normalize:
    """From 0 … 1 to what the encoder's processor makes of 0 … 255, so that fine-tuning sees the same clips.

    Read off a black and a white clip, because processors differ: ViViT's normalises values of −1 … 1.
    """
    process = ClipProcessor(processor, v2.Identity())
    ends = [torch.full((1, 3, *ClipProcessor.size_of(processor)), level, dtype=torch.uint8) for level in (0, 255)]
    black, white = (process(end)[0, :, 0, 0].double() for end in ends)
    std = 1 / (white - black)
    return v2.Normalize((-black * std).tolist(), std.tolist())
