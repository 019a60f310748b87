"""RSPNet (Chen et al., AAAI 2021, arXiv 2011.07949): relative speed perception and instance discrimination."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace
from typing import ClassVar

import torch
from accelerate.utils import gather
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import random_clip
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.data.unlabelled import VideoViews
from hf_selfdistill.pretraining.augmentation import (
    AsOneImage,
    ColorJitter,
    FloatResizedCrop,
    normalisation,
    read_clips,
)
from hf_selfdistill.pretraining.batch_shuffle import on_shuffled_batch
from hf_selfdistill.pretraining.objective import Objective, ObjectiveOutput
from hf_selfdistill.pretraining.objective_arguments import RSPNetArguments
from hf_selfdistill.pretraining.rspnet_loss import instance_logits, instance_loss, speed_loss

__all__ = ["RSPNet"]

logger = logging.getLogger(__name__)

SPEED = 2  # of fast clips, which have every other frame


class RSPNetViews(VideoViews):
    """Two windows of twice a clip's length: `query_frames` and `key_frames` `(2T, C, h, w)`.

    A window is cropped to 0.4 … 1 of the frame's area, aspect 3/4 … 4/3, and resized. The released code resizes
    as the processor does with `antialias` False.
    """

    def __init__(self, processor: BaseVideoProcessor, num_frames: int) -> None:
        self.span = SPEED * num_frames
        self.processor = processor
        size, antialias = ClipProcessor.size_of(processor), ClipProcessor.antialias_of(processor)
        self.augment = v2.Compose(
            [
                FloatResizedCrop(size, scale=(0.4, 1.0), antialias=antialias),
                v2.RandomGrayscale(0.2),
                AsOneImage(ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4)),
                v2.RandomHorizontalFlip(),
                normalisation(processor),
            ]
        )

    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        """Return a sample; the windows are drawn and augmented independently and can overlap."""
        stride = ClipProcessor.stride_of(self.processor, reader.fps)
        windows = [random_clip(reader.num_frames, self.span, stride) for _ in range(2)]
        query, key = read_clips(reader, windows)
        return {"query_frames": self.augment(query), "key_frames": self.augment(key)}


class RSPNet(Objective):
    """Relative speed perception and instance discrimination with momentum keys.

    Each video has a query and two keys. The keys are cut from one window, at the query's speed and at the other speed.
    With q, k⁺ and k⁻ the unit-length outputs of the speed head and similarities divided by τ, relative speed
    perception is max(0, γ − (q·k⁺ − q·k⁻)). Instance discrimination, on the appearance head, is the cross-entropy of
    each key against a queue of earlier keys of other videos (the paper has one positive, the released code these two).
    Keys come from a momentum copy of encoder and heads; its buffers are not shared with the encoder.

    Queries of the first half of a batch have the videos' own pace, the others double pace; batches are shuffled.
    """

    name = "rspnet"
    Arguments = RSPNetArguments
    arguments: RSPNetArguments
    queue: Tensor
    queue_start: Tensor
    _HEADS: ClassVar[tuple[str, str]] = ("appearance", "speed")

    def __init__(self, encoder: PreTrainedModel, arguments: RSPNetArguments) -> None:
        super().__init__(encoder, arguments)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(self.feature_size, arguments.embedding_size) for name in self._HEADS}
        )
        self.key_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.key_heads = copy.deepcopy(self.heads).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(arguments.queue_size, arguments.embedding_size)))
        self.register_buffer("queue_start", torch.zeros((), dtype=torch.long))

    def views(self, processor: BaseVideoProcessor) -> RSPNetViews:
        """Return views of two windows per video."""
        return RSPNetViews(processor, self.encoder.config.num_frames)

    def fit_to_batch(self, videos_per_process: int, processes: int) -> None:
        """Cut the queue to a multiple of the videos per step, as the released code does.

        Raises:
            ValueError: a process has a single video, or the queue is smaller than a step.
        """
        videos = videos_per_process * processes
        if videos_per_process < 2:
            raise ValueError(
                f"`per_device_train_batch_size` is {videos_per_process}; RSPNet needs at least 2 videos per process, "
                "one at each speed"
            )
        size = self.arguments.queue_size // videos * videos
        if size == 0:
            raise ValueError(
                f"`queue_size` is {self.arguments.queue_size}, smaller than the {videos} videos of a step; set it to "
                f"a multiple of {videos}"
            )
        if size < self.arguments.queue_size:
            logger.info("`queue_size` %d is cut to %d, a multiple of %d", self.arguments.queue_size, size, videos)
        self.arguments = replace(self.arguments, queue_size=size)
        self.queue = self.queue[:size].clone()

    def warn_of(self, videos: int) -> None:
        """Warn if the queue contains every video."""
        if self.arguments.queue_size >= videos:
            logger.warning(
                "`queue_size` is %d, but there are only %d videos, so each video is among its own negatives; set "
                "`queue_size` well below the number of videos",
                self.arguments.queue_size,
                videos,
            )

    @torch.no_grad()
    def begin_step(self) -> None:
        """Update the parameters of the keys: θ_k ← m·θ_k + (1 − m)·θ_q."""
        followers = [*self.key_encoder.parameters(), *self.key_heads.parameters()]
        leaders = [*self.encoder.parameters(), *self.heads.parameters()]
        for key, query in zip(followers, leaders, strict=True):
            key.lerp_(query, 1 - self.arguments.key_momentum)

    def forward(self, query_frames: Tensor, key_frames: Tensor) -> ObjectiveOutput:
        """Return the loss, the two accuracies and the two terms for windows `(videos, 2T, C, h, w)`."""
        query, _ = _at_two_speeds(query_frames)
        same, other = _at_two_speeds(key_frames)
        other_appearance, other_speed = on_shuffled_batch(self._keys, other)
        same_appearance, same_speed = on_shuffled_batch(self._keys, same)
        appearance, speed = self._embed(self.features(query), self.heads)
        queue, tau = self.queue.clone(), self.arguments.temperature
        logits = [instance_logits(appearance, key, queue, tau) for key in (same_appearance, other_appearance)]
        appearance_loss = instance_loss(logits[0]) + instance_loss(logits[1])
        ranks = [(speed * key).sum(1) / tau for key in (same_speed, other_speed)]
        ranking_loss = speed_loss(ranks[0], ranks[1], self.arguments.ranking_margin)
        if self.training:
            self._enqueue(gather(other_appearance))
        return ObjectiveOutput(
            self.arguments.appearance_weight * appearance_loss + self.arguments.speed_weight * ranking_loss,
            {
                "speed_accuracy": (ranks[0] > ranks[1]).float(),
                "instance_top1": (logits[0].argmax(1) == 0).float(),
                "speed_loss": ranking_loss.detach().expand(len(query)),
                "instance_loss": appearance_loss.detach().expand(len(query)),
            },
        )

    def _keys(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        features = self.key_encoder(**{self.encoder.main_input_name: clips}).pooler_output
        return self._embed(features, self.key_heads)

    def _embed(self, features: Tensor, heads: nn.ModuleDict) -> tuple[Tensor, Tensor]:
        appearance, speed = (F.normalize(heads[name](features).to(self.queue.dtype)) for name in self._HEADS)
        return appearance, speed

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        places = (self.queue_start + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[places] = keys
        self.queue_start.add_(len(keys)).remainder_(len(self.queue))


def _at_two_speeds(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return clips `(videos, T, C, h, w)` of windows `(videos, 2T, C, h, w)` at the query's speed and at the other."""
    length, slow = frames.shape[1] // SPEED, len(frames) // 2
    own, double = frames[:, :length], frames[:, ::SPEED]
    return torch.cat([own[:slow], double[slow:]]), torch.cat([double[:slow], own[slow:]])
