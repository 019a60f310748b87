"""Clips of raw videos for training and testing a model."""

from __future__ import annotations

from typing import Any

import datasets
import torch
from torch.nn import functional as F
from torchvision import tv_tensors
from torchvision.transforms import v2
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.clips import UNREADABLE, TestingClips, TrainingClips
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.transforms import ClipProcessor, training_augmentation
from hf_selfdistill.models.features import last_layer
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.training.arguments import ClassificationArguments
from hf_selfdistill.training.card import describe_rate

__all__ = [
    "balanced_class_weights",
    "clips_without_labels",
    "describe_clips",
    "mix_clips",
    "set_sampling",
    "testing_clips",
    "training_clips",
]


def set_sampling(processor: BaseVideoProcessor, args: Any) -> None:
    """Set the frame stride and frame rate of a processor; without given values they stay as in the model's training.

    The processor is saved with the model, so that later clips have the stride and the rate of the training.

    Args:
        processor: video processor, changed in place.
        args: arguments with `frame_stride` and `target_fps`.
    """
    stride, fps = ClipProcessor.sampling_of(processor)
    processor.frame_stride, processor.target_fps = args.frame_stride or stride, args.target_fps or fps


def training_clips(
    records: datasets.Dataset, model: PreTrainedModel, processor: BaseVideoProcessor, args: ClassificationArguments
) -> TrainingClips:
    """Return the data set of one random, augmented clip per video and epoch, in the model's format."""
    augment = training_augmentation(
        ClipProcessor.size_of(processor),
        args.min_crop_area,
        args.flip_probability,
        ClipProcessor.antialias_of(processor),
    )
    sampler = ClipSampler(None, frames_per_clip(model.config), *ClipProcessor.sampling_of(processor))
    return TrainingClips(records, sampler, ClipProcessor(processor, augment), args.seed, model.main_input_name)


def testing_clips(
    records: datasets.Dataset, model: PreTrainedModel, processor: BaseVideoProcessor, num_clips: int
) -> TestingClips:
    """Return the data set of evenly spaced, centre-cropped clips of each video, in the model's format."""
    sampler = ClipSampler(num_clips, frames_per_clip(model.config), *ClipProcessor.sampling_of(processor))
    return TestingClips(records, sampler, ClipProcessor(processor), model.main_input_name)


def clips_without_labels(
    records: datasets.Dataset, model: PreTrainedModel, processor: BaseVideoProcessor, num_clips: int
) -> TestingClips:
    """Return testing clips of videos without labels."""
    records = records.add_column("label", [0] * len(records))  # a placeholder; −100 would mean an unreadable video
    return testing_clips(records, model, processor, num_clips)


def describe_clips(num_clips: int, model: PreTrainedModel, processor: BaseVideoProcessor) -> str:
    """Describe the number of clips per video, and their frames."""
    frames, rate = frames_per_clip(model.config), describe_rate(*ClipProcessor.sampling_of(processor))
    return f"{num_clips} clip{'s' if num_clips != 1 else ''} of {frames} frames, {rate}"


def balanced_class_weights(records: datasets.Dataset) -> torch.Tensor:
    """Return class weights `(classes,)`: videos / (classes · videos of the class), with mean 1 over the videos."""
    counts = torch.bincount(torch.tensor(records["label"][:]), minlength=records.features["label"].num_classes)
    return len(records) / (len(counts) * counts.clamp(min=1))


def mix_clips(inputs: dict[str, Any], model: PreTrainedModel, alpha: float) -> dict[str, Any]:
    """Mix each clip of a batch with its neighbour, by MixUp or by CutMix.

    Args:
        inputs: a batch of clips `(B, T, C, H, W)` and `labels (B,)`. CutMix cuts the same box from every frame.
        model: the classifier.
        alpha: both parameters of the Beta distribution from which the shares are drawn.

    Returns:
        The batch with mixed clips. Its labels are class probabilities `(B, classes)`; a clip labelled −100 adds 0.

    Raises:
        ValueError: the labels are not class indices.
    """
    name, labels = model.main_input_name, inputs["labels"].flatten()
    if labels.is_floating_point():
        raise ValueError(
            f"`mixup_alpha` is {alpha:g}, which mixes clips of one class each, but the labels are {labels.dtype}; set "
            "it to 0, and mix in the data collator"
        )
    known = F.one_hot(labels.clamp(min=0), last_layer(model).out_features) * labels.ne(UNREADABLE)[:, None]
    mix = v2.RandomChoice([v2.MixUp(alpha=alpha), v2.CutMix(alpha=alpha)])
    clips, probabilities = mix(tv_tensors.Video(inputs[name]), known.float())
    return {**inputs, name: clips.as_subclass(torch.Tensor), "labels": probabilities}
