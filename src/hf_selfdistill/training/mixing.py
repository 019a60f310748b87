"""MixUp and CutMix of training clips."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from torchvision import tv_tensors
from torchvision.transforms import v2

from hf_selfdistill.data.clips import UNREADABLE

__all__ = ["mix_clips"]


def mix_clips(inputs: dict[str, Any], input_name: str, alpha: float, classes: int) -> dict[str, Any]:
    """Mix each clip of a batch with its neighbour, by MixUp or by CutMix.

    Args:
        inputs: a batch with `labels (B,)`; a clip labelled −100 keeps a weight of 0.
        input_name: name of the clips `(B, T, C, H, W)` in the batch. CutMix cuts the same box from every frame.
        alpha: both parameters of the Beta distribution from which the shares are drawn.
        classes: number of classes.

    Returns:
        The batch with mixed clips and with class probabilities `(B, classes)` as labels.

    Raises:
        ValueError: the labels are no class indices.
    """
    labels = inputs["labels"]
    if labels.is_floating_point():
        raise ValueError(
            f"`mixup_alpha` is {alpha:g}, which mixes clips of one class each, but the labels are {labels.dtype}; set "
            "it to 0, and mix in the data collator"
        )
    labels = labels.flatten()
    known = F.one_hot(labels.clamp(min=0), classes).float() * labels.ne(UNREADABLE)[:, None]
    mix = v2.RandomChoice([v2.MixUp(alpha=alpha), v2.CutMix(alpha=alpha)])
    clips, mixed = mix(tv_tensors.Video(inputs[input_name]), known)
    return {**inputs, input_name: clips.as_subclass(torch.Tensor), "labels": mixed}
