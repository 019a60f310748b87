"""RSPNet (Chen et al., AAAI 2021, arXiv 2011.07949): relative speed perception and instance discrimination."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import random_clip
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.data.unlabelled import VideoViews
from hf_selfdistill.pretraining.augmentation import AsOneImage, normalisation, random_crop
from hf_selfdistill.pretraining.batch_shuffle import gathered, on_shuffled_batch
from hf_selfdistill.pretraining.objective import Objective, ObjectiveOutput, check_weights
from hf_selfdistill.pretraining.rspnet_loss import instance_logits, instance_loss, speed_loss

__all__ = ["RSPNet", "RSPNetArguments"]

logger = logging.getLogger(__name__)

SPEED = 2  # of the fast clips: every other frame


@dataclass
class RSPNetArguments:
    """RSPNet; defaults are those of the released code."""

    embedding_size: int = field(default=128, metadata={"help": "Size of both heads' outputs."})
    queue_size: int = field(default=16384, metadata={"help": "Negatives; cut to a multiple of a step's videos."})
    key_momentum: float = field(default=0.999, metadata={"help": "Momentum of the key encoder, per optimiser step."})
    temperature: float = field(default=0.07, metadata={"help": "τ, which divides all similarities."})
    ranking_margin: float = field(default=2.0, metadata={"help": "γ, on similarities divided by τ."})
    appearance_weight: float = field(default=1.0, metadata={"help": "Weight of instance discrimination."})
    speed_weight: float = field(default=1.0, metadata={"help": "Weight of relative speed perception."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.embedding_size < 1 or self.queue_size < 1:
            raise ValueError(
                f"embedding_size is {self.embedding_size} and queue_size {self.queue_size}; both must be at least 1"
            )
        if not 0 <= self.key_momentum <= 1:
            raise ValueError(f"key_momentum is {self.key_momentum}; it must lie between 0 and 1")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it must be positive")
        if not isfinite(self.ranking_margin):
            raise ValueError(f"ranking_margin is {self.ranking_margin}; it must be a finite number")
        check_weights(self, "appearance_weight", "speed_weight")


class RSPNetViews(VideoViews):
    """Two windows of two clips' length, augmented each on its own: `query_frames`, `key_frames` (2T, C, h, w)."""

    def __init__(self, processor: BaseVideoProcessor, num_frames: int) -> None:
        self.span = SPEED * num_frames
        self.processor = processor
        self.augment = v2.Compose(
            [
                random_crop(processor, min_area=0.4),
                v2.RandomGrayscale(0.2),
                AsOneImage(v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4)),
                v2.RandomHorizontalFlip(),
                normalisation(processor),
            ]
        )

    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        """The windows are drawn independently and may overlap."""
        stride = ClipProcessor.stride_of(self.processor, reader.fps)
        windows = [random_clip(reader.num_frames, self.span, stride) for _ in range(2)]
        query, key = reader.read(windows[0] + windows[1]).chunk(2)
        return {"query_frames": self.augment(query), "key_frames": self.augment(key)}


class RSPNet(Objective):
    """Which of two clips has my speed, and which clip is of my video.

    Of each video there is a query and two keys, cut at the query's speed and at the other from one window. With q, k⁺,
    k⁻ the unit-length outputs of the speed head and similarities divided by τ, relative speed perception is
    max(0, γ − (q·k⁺ − q·k⁻)). Instance discrimination, on the appearance head, is cross-entropy of each of the two
    keys against a queue of earlier keys of other videos (the paper has one positive, the released code these two).
    Keys come from a copy of encoder and heads that follows by momentum; its buffers are its own.

    Half of a batch, the first, queries at the videos' own pace and the rest at double: batches come shuffled.
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
        """Two windows per video."""
        return RSPNetViews(processor, self.encoder.config.num_frames)

    def fit_to_batch(self, videos_per_process: int, processes: int) -> None:
        """Cut the queue to a multiple of the videos of a step, as the released code does."""
        videos = videos_per_process * processes
        if videos_per_process < 2:
            raise ValueError(
                f"RSPNet needs at least 2 videos per process and step, one at each speed; per_device_train_batch_size "
                f"is {videos_per_process}"
            )
        size = self.arguments.queue_size // videos * videos
        if size == 0:
            raise ValueError(
                f"queue_size is {self.arguments.queue_size}, smaller than the {videos} videos of a step; raise it "
                f"to a multiple of {videos}"
            )
        if size < self.arguments.queue_size:
            logger.info("queue_size %d is cut to %d, a multiple of %d", self.arguments.queue_size, size, videos)
        self.arguments = replace(self.arguments, queue_size=size)
        self.queue = self.queue[:size].clone()

    def warn_of(self, videos: int) -> None:
        """Warn of a queue that holds every video."""
        if self.arguments.queue_size >= videos:
            logger.warning(
                "queue_size %d holds keys of all %d videos, so that each meets itself among its negatives; lower it, "
                "well below their number",
                self.arguments.queue_size,
                videos,
            )

    @torch.no_grad()
    def begin_step(self) -> None:
        """The keys' parameters follow: θ_k ← m·θ_k + (1 − m)·θ_q."""
        followers = [*self.key_encoder.parameters(), *self.key_heads.parameters()]
        leaders = [*self.encoder.parameters(), *self.heads.parameters()]
        for key, query in zip(followers, leaders, strict=True):
            key.lerp_(query, 1 - self.arguments.key_momentum)

    def forward(self, query_frames: Tensor, key_frames: Tensor) -> ObjectiveOutput:
        """Args are windows `(videos, 2T, C, h, w)`; metrics are `speed_accuracy`, `instance_top1` and both losses."""
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
            self._enqueue(gathered(other_appearance))
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
    """Windows `(videos, 2T, C, h, w)` at the speed of each video's query, and at the other: `(videos, T, C, h, w)`."""
    length, slow = frames.shape[1] // SPEED, len(frames) // 2
    own, double = frames[:, :length], frames[:, ::SPEED]
    return torch.cat([own[:slow], double[slow:]]), torch.cat([double[:slow], own[slow:]])
