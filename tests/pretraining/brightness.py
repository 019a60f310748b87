"""A small objective with everything that the trainer must see to, and the videos and arguments to train it with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import torch
from short_training import SETTINGS
from tiny_classifiers import tiny_model
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import AutoModel, BaseVideoProcessor, PreTrainedModel, set_seed
from videos import numbered_frames, write_video

from hf_selfdistill import C3DConfig, C3DModel, C3DVideoProcessor
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import random_clip
from hf_selfdistill.data.unlabelled import VideoViews
from hf_selfdistill.data.video_files import find_videos
from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.objective import Objective, ObjectiveOutput

CLIP = {"c3d": (8, 3, 16, 16), "vivit": (4, 3, 16, 16)}


@dataclass
class BrightnessArguments:
    """Brightness."""

    weight: float = field(default=1.0, metadata={"help": "Of the loss."})


class BrightnessViews(VideoViews):
    """A window with noise, `clips`, and its mean, `brightness`."""

    def __init__(self, processor: BaseVideoProcessor, num_frames: int) -> None:
        self.span, self.processor = num_frames, processor

    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        clip = reader.read(random_clip(reader.num_frames, self.span)) / 127.5 - 1 + torch.randn(()) / 10
        return {"clips": clip, "brightness": clip.mean()}


class Brightness(Objective):
    """How bright is the clip: a head, and counts of what the trainer asks, as buffers that must be kept."""

    name = "brightness"
    Arguments = BrightnessArguments
    steps_begun: Tensor
    videos_seen: Tensor

    def __init__(self, encoder: PreTrainedModel, arguments: BrightnessArguments | None = None) -> None:
        super().__init__(encoder, arguments or BrightnessArguments())
        self.head = nn.Linear(self.feature_size, 1)
        self.register_buffer("steps_begun", torch.zeros((), dtype=torch.long))
        self.register_buffer("videos_seen", torch.zeros((), dtype=torch.long))

    def views(self, processor: BaseVideoProcessor) -> BrightnessViews:
        return BrightnessViews(processor, self.encoder.config.num_frames)

    def begin_step(self) -> None:
        self.steps_begun.add_(1)

    def forward(self, clips: Tensor, brightness: Tensor) -> ObjectiveOutput:
        errors = self.head(self.features(clips)).squeeze(1).float() - brightness
        if self.training:
            self.videos_seen.add_(len(clips))
        return ObjectiveOutput(self.arguments.weight * errors.square().mean(), {"error": errors.detach().abs()})


class Clips(Dataset[dict[str, Tensor]]):
    """Clips of noise, always the same; `encoder` names whose."""

    def __init__(self, videos: int, encoder: str = "c3d") -> None:
        self.videos, self.shape = videos, CLIP[encoder]

    def __len__(self) -> int:
        return self.videos

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        clip = torch.randn(self.shape, generator=torch.Generator().manual_seed(index)) + index / 10
        return {"clips": clip, "brightness": clip.mean()}


def tiny_encoder(name: str = "c3d") -> PreTrainedModel:
    """A C3D, or a ViViT: without BatchNorm, batches can be cut in any way."""
    set_seed(0)
    if name == "c3d":
        return C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    config = tiny_model("vivit").config
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    return AutoModel.from_config(config)


def tiny_processor() -> C3DVideoProcessor:
    return C3DVideoProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, num_frames=8)


def write_videos(folder: Path, videos: int) -> datasets.Dataset:
    """So many videos of 20 frames and more."""
    folder.mkdir()
    for number in range(videos):
        write_video(folder / f"{number:02d}.mp4", numbered_frames(20 + number, 16, 16))
    return find_videos(folder)


def arguments(folder: Path, **overrides: Any) -> PretrainingArguments:
    """Of two epochs."""
    return PretrainingArguments(str(folder), **{**SETTINGS, "num_train_epochs": 2, **overrides})


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Names of what is not the same bit for bit."""
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]
