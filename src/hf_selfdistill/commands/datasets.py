"""From the name of a data set to clips."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Optional

import datasets
import torch
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.training.best_epochs import PARTS
from hf_selfdistill.data.clips import TestingClips, TrainingClips
from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.data.sampling import clip_sampler
from hf_selfdistill.data.splits import share_of_each_class
from hf_selfdistill.data.transforms import ClipProcessor, training_augmentation
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.training.arguments import check_choice

__all__ = [
    "AugmentationArguments",
    "DatasetArguments",
    "SamplingArguments",
    "balanced_class_weights",
    "sampling_rate",
    "testing_clips",
    "training_clips",
    "videos_to_learn",
]


@dataclass
class SamplingArguments:
    """Sampling of frames."""

    frame_stride: Optional[int] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "Take every n-th frame; by default as the model was trained, else 1."}
    )
    target_fps: Optional[float] = field(  # noqa: UP045
        default=None,
        metadata={"help": "Draw clips at this frame rate; by default as the model was trained, else the video's own."},
    )


@dataclass
class DatasetArguments:
    """Data."""

    dataset: str = field(
        metadata={"help": "ucf101 or hmdb51 (those layouts, any classes), folder, csv, moving_shapes, or a Hub name."}
    )
    dataset_root: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "Folder of the videos."}
    )
    annotations: Optional[str] = field(  # noqa: UP045
        default=None, metadata={"help": "Folder of the official lists, or the CSV file (video,label[,group][,split])."}
    )
    split: int = field(default=1, metadata={"help": "Which of the official splits: 1, 2 or 3."})
    validation_fraction: float = field(
        default=0.1, metadata={"help": "Share of the training videos, in whole groups, kept for validation."}
    )
    max_unreadable: float = field(
        default=0.05, metadata={"help": "Share of videos that may be unreadable; they are left out and listed."}
    )

    def load(self) -> datasets.DatasetDict:
        """`train`, `validation` and `test`.

        Raises:
            ValueError: the data set, its lists or its files are not as they should be, or all videos are of one class.
        """
        videos = load_video_dataset(
            self.dataset,
            self.dataset_root,
            self.annotations,
            self.split,
            self.validation_fraction,
            max_missing_fraction=self.max_unreadable,
        )
        classes = videos["train"].features["label"].names
        if len(classes) < 2:
            raise ValueError(
                f"all videos of --dataset {self.dataset} are of one class, {', '.join(classes)}; give videos of "
                "at least two"
            )
        return videos


@dataclass
class AugmentationArguments:
    """Training and validation clips."""

    min_crop_area: float = field(default=0.25, metadata={"help": "Smallest random crop, as a share of the frame."})
    flip_probability: float = field(
        default=0.5,
        metadata={"help": "Probability that a clip is mirrored; 0 where left and right are part of the class."},
    )
    eval_num_clips: int = field(default=1, metadata={"help": "Clips per video in validation; 1 is the centre."})
    keep_best: list[str] = field(
        default_factory=list,
        metadata={
            "help": "validation, test or both: keep the model of the epoch with the highest top-1 on it in "
            "best-on-<part>/, besides the last epoch's; test as RSPNet's released code chooses, which flatters"
        },
    )
    class_weights: Optional[Literal["balanced"]] = field(  # noqa: UP045
        default=None, metadata={"help": "Weigh rare classes more, by the inverse of their frequency:"}
    )
    max_train_samples: Optional[int] = field(  # noqa: UP045
        default=None, metadata={"help": "Train on this many videos, drawn with the seed."}
    )
    label_fraction: float = field(
        default=1.0, metadata={"help": "Train on this share of each class's videos, drawn with the seed."}
    )

    def __post_init__(self) -> None:
        """Check the names of the parts."""
        for part in self.keep_best:
            check_choice("keep_best", part, PARTS)


def videos_to_learn(records: datasets.Dataset, augmentation: AugmentationArguments, seed: int) -> datasets.Dataset:
    """All videos of the training part, or those that `label_fraction` and `max_train_samples` draw of them.

    Raises:
        ValueError: none would be left.
    """
    if augmentation.label_fraction != 1:
        records = share_of_each_class(records, augmentation.label_fraction, seed)
    if augmentation.max_train_samples is not None:
        if augmentation.max_train_samples < 1:
            raise ValueError(f"--max_train_samples is {augmentation.max_train_samples}; it must be at least 1")
        records = records.shuffle(seed).select(range(min(augmentation.max_train_samples, len(records))))
    return records


def training_clips(
    records: datasets.Dataset,
    model: PreTrainedModel,
    processor: BaseVideoProcessor,
    sampling: SamplingArguments,
    augmentation: AugmentationArguments,
    seed: int,
) -> TrainingClips:
    """One random, augmented clip per video and epoch, as the model takes it."""
    augment = training_augmentation(
        ClipProcessor.size_of(processor), augmentation.min_crop_area, augmentation.flip_probability
    )
    sampler = clip_sampler(None, frames_per_clip(model.config), *sampling_rate(processor, sampling))
    return TrainingClips(records, sampler, ClipProcessor(processor, augment), seed, model.main_input_name)


def testing_clips(
    records: datasets.Dataset,
    model: PreTrainedModel,
    processor: BaseVideoProcessor,
    sampling: SamplingArguments,
    num_clips: int,
) -> TestingClips:
    """Evenly spaced centre crops of each video, as the model takes them."""
    sampler = clip_sampler(num_clips, frames_per_clip(model.config), *sampling_rate(processor, sampling))
    return TestingClips(records, sampler, ClipProcessor(processor), model.main_input_name)


def sampling_rate(processor: BaseVideoProcessor, asked: SamplingArguments) -> tuple[int, float | None]:
    """Frame stride and frame rate: what is asked for, or what the model was trained with.

    Raises:
        ValueError: what is asked for is not positive.
    """
    for name, value in vars(asked).items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value}; it must be positive")
    stride, fps = ClipProcessor.sampling_of(processor)
    return asked.frame_stride or stride, asked.target_fps or fps


def balanced_class_weights(records: datasets.Dataset) -> torch.Tensor:
    """`(classes,)`: videos / (classes · videos of the class), 1 on average over the videos."""
    counts = torch.bincount(torch.tensor(records["label"][:]), minlength=records.features["label"].num_classes)
    return len(records) / (len(counts) * counts.clamp(min=1))
