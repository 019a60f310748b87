"""Augmentation that several objectives share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from transformers import BaseVideoProcessor

from hf_selfdistill.data.transforms import ClipProcessor

__all__ = ["AsOneImage", "FrameByFrame", "normalisation"]


class AsOneImage(nn.Module):
    """Image transform applied to a clip `(T, C, H, W)` as if its frames were one tall image.

    All frames share one draw, and contrast changes about the mean of the whole clip.
    """

    def __init__(self, transform: v2.Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, clip: Tensor) -> Tensor:
        """Return the transformed clip `(T, C, H, W)`."""
        tall = clip.transpose(0, 1).flatten(1, 2)  # (C, T·H, W)
        return self.transform(tall).unflatten(1, (len(clip), -1)).transpose(0, 1)


class FrameByFrame(nn.Module):
    """Image transform applied to each frame of a clip `(T, C, H, W)` with a separate draw."""

    def __init__(self, transform: v2.Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, clip: Tensor) -> Tensor:
        """Return the transformed clip `(T, C, H, W)`."""
        return torch.stack([self.transform(frame) for frame in clip])


def normalisation(processor: BaseVideoProcessor) -> v2.Normalize:
    """Return the processor's normalisation for values in 0 … 1, so that fine-tuning sees the same clips.

    It is measured on a black and a white clip, because processors differ: ViViT's normalises values in −1 … 1.
    """
    process = ClipProcessor(processor, v2.Identity())
    ends = [torch.full((1, 3, *ClipProcessor.size_of(processor)), level, dtype=torch.uint8) for level in (0, 255)]
    black, white = (process(end)[0, :, 0, 0].double() for end in ends)
    std = 1 / (white - black)
    return v2.Normalize((-black * std).tolist(), std.tolist())
