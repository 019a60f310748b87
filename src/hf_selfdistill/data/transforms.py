"""Training augmentation of RSPNet's fine-tuning recipe: one draw for all frames of a clip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torchvision.transforms import v2
from transformers import BaseVideoProcessor

__all__ = ["ClipProcessor", "seeded_draws", "training_augmentation"]


class ClipProcessor:
    """One clip through a model's own video processor, in training after augmentation.

    Args:
        processor: a video processor of transformers; with augmentation only its rescaling and normalisation are used.
        augment: `(T, C, H, W)` uint8 → the same at the size that the model takes, see `training_augmentation`; None
            for testing, where the processor resizes and crops the centre.
    """

    def __init__(self, processor: BaseVideoProcessor, augment: v2.Transform | None = None) -> None:
        self.processor = processor
        self.augment = augment

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        """`(T, C, H, W)` uint8 → `(T, C, h, w)` float, normalised."""
        steps = {}
        if self.augment is not None:
            frames, steps = self.augment(frames), {"do_resize": False, "do_center_crop": False}
        batch = self.processor(frames, do_sample_frames=False, return_tensors="pt", **steps)
        return batch[self.processor.model_input_names[0]][0]

    @staticmethod
    def size_of(processor: BaseVideoProcessor) -> tuple[int, int]:
        """Height and width in pixels of what a video processor gives."""
        size = processor.crop_size if processor.do_center_crop else processor.size
        side = size.get("shortest_edge")
        return (side, side) if side is not None else (size["height"], size["width"])

    @staticmethod
    def sampling_of(processor: BaseVideoProcessor) -> tuple[int, float | None]:
        """Frame stride and frame rate that a processor keeps of the training; 1 and None of one that keeps none."""
        kept = processor.to_dict()
        return kept.get("frame_stride", 1), kept.get("target_fps")

    @staticmethod
    def stride_of(processor: BaseVideoProcessor, fps: float) -> float:
        """Frames of a video of `fps` frames per second from one frame of a clip to the next; 1 by default."""
        stride, target_fps = ClipProcessor.sampling_of(processor)
        return stride if target_fps is None else stride * fps / target_fps


def training_augmentation(
    size: tuple[int, int], min_crop_area: float = 0.25, flip_probability: float = 0.5
) -> v2.Compose:
    """Random resized crop and horizontal flip of a clip `(T, C, H, W)` uint8 → `(T, C, *size)` uint8.

    Args:
        size: height and width of the result, in pixels.
        min_crop_area: smallest area of the crop as a share of the frame; its aspect ratio is drawn from 3/4 … 4/3.
        flip_probability: set it to 0 where left and right are part of the class.

    Raises:
        ValueError: a share is not between 0 and 1.
    """
    for name, value in [("min_crop_area", min_crop_area), ("flip_probability", flip_probability)]:
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; it must lie between 0 and 1")
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(min_crop_area, 1.0), ratio=(3 / 4, 4 / 3), antialias=True),
            v2.RandomHorizontalFlip(flip_probability),
        ]
    )


@contextmanager
def seeded_draws(*seed: int) -> Iterator[None]:
    """Within it, torch's draws on the CPU depend on the given numbers alone; outside, they are as if nothing happened.

    With (seed, epoch, index of the clip), a clip is the same whichever process or worker draws it, and after a resume.
    """
    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1))
    try:
        yield
    finally:
        generator.set_state(state)
