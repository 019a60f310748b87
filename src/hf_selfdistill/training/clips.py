"""From raw videos to the clips that a model takes."""

from __future__ import annotations

from typing import Any

import datasets
import torch
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.clips import TestingClips, TrainingClips
from hf_selfdistill.data.sampling import clip_sampler
from hf_selfdistill.data.transforms import ClipProcessor, training_augmentation
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.training.arguments import ClassificationArguments
from hf_selfdistill.training.card import describe_rate

__all__ = [
    "balanced_class_weights",
    "clips_without_labels",
    "describe_clips",
    "set_sampling",
    "testing_clips",
    "training_clips",
]


def set_sampling(processor: BaseVideoProcessor, args: Any) -> None:
    """Let a processor draw clips at the given frame stride and rate; by default as the model was trained.

    The processor is saved with the model, so that everybody draws the clips that the model was trained on.

    Args:
        processor: video processor, changed in place.
        args: arguments with `frame_stride` and `target_fps`.
    """
    stride, fps = ClipProcessor.sampling_of(processor)
    processor.frame_stride, processor.target_fps = args.frame_stride or stride, args.target_fps or fps


def training_clips(
    records: datasets.Dataset, model: PreTrainedModel, processor: BaseVideoProcessor, args: ClassificationArguments
) -> TrainingClips:
    """Return one random, augmented clip per video and epoch, as the model takes it."""
    augment = training_augmentation(ClipProcessor.size_of(processor), args.min_crop_area, args.flip_probability)
    sampler = clip_sampler(None, frames_per_clip(model.config), *ClipProcessor.sampling_of(processor))
    return TrainingClips(records, sampler, ClipProcessor(processor, augment), args.seed, model.main_input_name)


def testing_clips(
    records: datasets.Dataset, model: PreTrainedModel, processor: BaseVideoProcessor, num_clips: int
) -> TestingClips:
    """Return evenly spaced centre crops of each video, as the model takes them."""
    sampler = clip_sampler(num_clips, frames_per_clip(model.config), *ClipProcessor.sampling_of(processor))
    return TestingClips(records, sampler, ClipProcessor(processor), model.main_input_name)


def clips_without_labels(
    records: datasets.Dataset, model: PreTrainedModel, processor: BaseVideoProcessor, num_clips: int
) -> TestingClips:
    """Return testing clips of videos whose classes nobody knows; any label will do that is not "unreadable"."""
    return testing_clips(records.add_column("label", [0] * len(records)), model, processor, num_clips)


def describe_clips(num_clips: int, model: PreTrainedModel, processor: BaseVideoProcessor) -> str:
    """Describe how many clips of a video are used, and which frames make them."""
    frames, rate = frames_per_clip(model.config), describe_rate(*ClipProcessor.sampling_of(processor))
    return f"{num_clips} clip{'s' if num_clips != 1 else ''} of {frames} frames, {rate}"


def balanced_class_weights(records: datasets.Dataset) -> torch.Tensor:
    """Return weights `(classes,)`: videos / (classes · videos of the class), on average 1 over the videos."""
    counts = torch.bincount(torch.tensor(records["label"][:]), minlength=records.features["label"].num_classes)
    return len(records) / (len(counts) * counts.clamp(min=1))
