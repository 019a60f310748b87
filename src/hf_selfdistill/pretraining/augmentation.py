"""Augmentation that several objectives share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F
from transformers import BaseVideoProcessor

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.transforms import ClipProcessor

__all__ = [
    "AsOneImage",
    "ColorJitter",
    "FloatResizedCrop",
    "FrameByFrame",
    "normalisation",
    "read_clips",
    "resized_part",
    "shift_hue_",
]


def read_clips(reader: VideoReader, clips: Sequence[Sequence[int]]) -> list[Tensor]:
    """Read the frames of several clips `(T, 3, H, W)`, each frame once and without copies of consecutive frames."""
    wanted = sorted({index for clip in clips for index in clip})
    frames = reader.read(wanted).permute(0, 2, 3, 1)  # as in memory: a selection copies whole frames
    rows = {index: row for row, index in enumerate(wanted)}
    read = []
    for clip in clips:
        chosen = [rows[index] for index in clip]
        is_run = chosen == list(range(chosen[0], chosen[0] + len(clip)))
        part = frames[chosen[0] : chosen[0] + len(clip)] if is_run else frames.index_select(0, torch.tensor(chosen))
        read.append(part.permute(0, 3, 1, 2))
    return read


def resized_part(
    frames: Tensor, size: Sequence[int], top: int, left: int, height: int, width: int, antialias: bool
) -> Tensor:
    """Return a part of frames resized bilinearly, from the pixels of the part alone.

    Equal, within 1e-6, to floats of all pixels that are resized to `size` and then cropped: the weights are those of
    torchvision, but products are summed in another order.

    Args:
        frames: uint8 frames `(T, C, H, W)`.
        size: height and width of the resized frames.
        top: first row of the part.
        left: first column of the part.
        height: rows of the part.
        width: columns of the part.
        antialias: whether torchvision would antialias.

    Returns:
        Floats `(T, C, height, width)` in 0 … 1.
    """
    weights, used = [], []
    for side, new, first, length in zip(frames.shape[-2:], size, (top, left), (height, width), strict=True):
        part = _weights(side, new, antialias)[first : first + length]
        places = part.any(0).nonzero().flatten()
        used.append(slice(int(places[0]), int(places[-1]) + 1))
        weights.append(part[:, used[-1]])
    pixels = F.to_dtype(frames[..., used[0], used[1]], torch.float32, scale=True)
    return weights[0] @ pixels @ weights[1].T


@lru_cache(64)
def _weights(side: int, new: int, antialias: bool) -> Tensor:
    """Return the weights `(new, side)` of the pixels of one side, from the resized unit vectors."""
    return F.resize(torch.eye(side)[:, None], [1, new], antialias=antialias)[:, 0].T


class FloatResizedCrop(v2.RandomResizedCrop):
    """Random resized crop of uint8 frames to floats in 0 … 1.

    Equal to `v2.ToDtype(torch.float32, scale=True)` and `v2.RandomResizedCrop`, but converts only the crop.
    """

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Crop, convert and resize frames `(T, C, H, W)`."""
        crop = F.to_dtype(F.crop(inpt, **params), torch.float32, scale=True)
        return F.resize(crop, self.size, self.interpolation, antialias=self.antialias)


class ColorJitter(v2.ColorJitter):
    """`v2.ColorJitter` of RGB floats in 0 … 1 with equal draws, several times faster: one copy, changed in place."""

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Return an image `(3, H, W)` with brightness, contrast, saturation and hue changed in the drawn order."""
        image = inpt.clone(memory_format=torch.contiguous_format)  # the channels one after another
        factors = [params[f"{name}_factor"] for name in ("brightness", "contrast", "saturation", "hue")]
        for number in params["fn_idx"].tolist():
            factor = factors[number]
            if factor is not None and number == 3:
                shift_hue_(image, factor)
            elif factor is not None:
                grey = F.rgb_to_grayscale(image) if number else torch.zeros(())  # brightness blends with black
                grey = grey.mean() if number == 1 else grey
                image.mul_(factor).add_(grey, alpha=1 - factor).clamp_(0, 1)
        return image


def shift_hue_(image: Tensor, factor: float) -> None:
    """Shift the hue in place as `adjust_hue` of torchvision does, within 2e-6, the rounding error of torchvision.

    A channel is min + chroma · clamp(2 − d, 0, 1), with d in 0 … 3 the distance between the pixel's hue and the
    channel's own: 0 for red, 2 for green, 4 for blue. So no pixel is masked.

    Args:
        image: RGB floats `(3, H, W)` in 0 … 1.
        factor: shift of the hue, −0.5 … 0.5 of a full turn.
    """
    red, green, blue = image
    low, high = torch.minimum(green, blue), torch.maximum(green, blue)
    hue = torch.minimum(red, high)
    torch.maximum(hue, low, out=hue)  # the median
    torch.minimum(low, red, out=low)
    torch.maximum(high, red, out=high)
    spare = high - red
    hue.sub_(low).add_(spare, alpha=2)  # the distance to red, times the chroma
    chroma = high.sub_(low)
    hue.copysign_(torch.sub(green, blue, out=spare)).div_(torch.clamp(chroma, min=1e-30, out=spare))  # -3 … 3
    base = low.sub_(chroma)
    for channel, own in zip(image, (0, 2, 4), strict=True):
        torch.add(hue, (6 * factor - own + 3) % 6 - 3, out=channel)
        channel.abs_().sub_(3).abs_().clamp_(1, 2)
        torch.addcmul(base, chroma, channel, out=channel)
    image.clamp_(0, 1)


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
