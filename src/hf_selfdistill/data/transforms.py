"""Transforms of clips: a model's video processor, and RSPNet's augmentation with one draw for all frames of a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torchvision.transforms import v2
from transformers import BaseVideoProcessor

__all__ = ["ClipProcessor", "same_draws", "seeded_draws", "training_augmentation"]


class ClipProcessor:
    """Transform that applies a model's video processor to one clip, in training after augmentation.

    Args:
        processor: a video processor of transformers. With augmentation only its rescaling and normalisation are used.
        augment: transform of a clip `(T, C, H, W)` uint8 to the size that the model takes, see
            `training_augmentation`. None is for testing: the processor resizes and crops the centre.
    """

    def __init__(self, processor: BaseVideoProcessor, augment: v2.Transform | None = None) -> None:
        self.processor = processor
        self.augment = augment

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        """Transform `(T, C, H, W)` uint8 to normalised `(T, C, h, w)` float."""
        steps = {}
        if self.augment is not None:
            frames, steps = self.augment(frames), {"do_resize": False, "do_center_crop": False}
        batch = self.processor(frames, do_sample_frames=False, return_tensors="pt", **steps)
        return batch[self.processor.model_input_names[0]][0]

    @staticmethod
    def size_of(processor: BaseVideoProcessor) -> tuple[int, int]:
        """Return height and width in pixels of the clips that a video processor returns."""
        size = processor.crop_size if processor.do_center_crop else processor.size
        side = size.get("shortest_edge")
        return (side, side) if side is not None else (size["height"], size["width"])

    @staticmethod
    def antialias_of(processor: BaseVideoProcessor) -> bool:
        """Return whether a video processor resizes with antialiasing, as transformers' own processors do."""
        return processor.to_dict().get("antialias", True)

    @staticmethod
    def sampling_of(processor: BaseVideoProcessor) -> tuple[int, float | None]:
        """Return the frame stride and frame rate of the training that a processor stores; by default 1 and None."""
        kept = vars(processor)
        return kept.get("frame_stride", 1), kept.get("target_fps")

    @staticmethod
    def stride_of(processor: BaseVideoProcessor, fps: float) -> float:
        """Return the distance between frames of a clip, in frames of a video of `fps` frames per second."""
        stride, target_fps = ClipProcessor.sampling_of(processor)
        return stride if target_fps is None else stride * fps / target_fps


def training_augmentation(
    size: tuple[int, int], min_crop_area: float = 0.25, flip_probability: float = 0.5, antialias: bool = True
) -> v2.Compose:
    """Return a random resized crop and horizontal flip of clips: `(T, C, H, W)` uint8 to `(T, C, *size)` uint8.

    Args:
        size: height and width of the result, in pixels.
        min_crop_area: smallest area of the crop as a share of the frame. Its aspect ratio is drawn from 3/4 … 4/3.
        flip_probability: probability of the flip; 0 if left and right are part of the class.
        antialias: whether to resize with antialiasing, as the model's processor does (`ClipProcessor.antialias_of`).

    Raises:
        ValueError: a share is not between 0 and 1.
    """
    for name, value in [("min_crop_area", min_crop_area), ("flip_probability", flip_probability)]:
        if not 0 <= value <= 1:
            raise ValueError(f"`{name}` is {value}; it must lie between 0 and 1")
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(min_crop_area, 1.0), ratio=(3 / 4, 4 / 3), antialias=antialias),
            v2.RandomHorizontalFlip(flip_probability),
        ]
    )


def same_draws(transform: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a transform that draws the same at each call, so that the parts of a clip are augmented alike."""
    state = torch.get_rng_state()

    def transform_part(frames: torch.Tensor) -> torch.Tensor:
        torch.set_rng_state(state)
        return transform(frames)

    return transform_part


@contextmanager
def seeded_draws(*seed: int) -> Iterator[None]:
    """Seed torch's draws on the CPU within the context, and restore the generator after it.

    With the numbers (seed, epoch, index of the clip), a clip does not depend on the process or worker that draws it,
    nor on a resume.

    Args:
        *seed: the numbers that the draws depend on.
    """
    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1))
    try:
        yield
    finally:
        generator.set_state(state)
