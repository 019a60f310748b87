"""Pace prediction (Wang, Jiao & Liu, ECCV 2020, arXiv 2008.05861)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.data.unlabelled import VideoViews
from hf_selfdistill.pretraining.augmentation import AsOneImage, FrameByFrame, normalisation, resized_crop
from hf_selfdistill.pretraining.objective import Objective, ObjectiveOutput
from hf_selfdistill.training.arguments import check_choice

__all__ = ["Pace", "PaceArguments", "contrastive_loss", "paced_clip"]


@dataclass
class PaceArguments:
    """Pace; by default what the released code does, classification alone."""

    max_pace: int = field(default=4, metadata={"help": "Paces are 1 to this."})
    color_jitter: Literal["frame", "clip", "none"] = field(
        default="frame",
        metadata={
            "help": "Colours drawn for each frame, as released, or once per clip: easier to learn from few videos."
        },
    )
    contrastive_weight: float = field(
        default=0.0, metadata={"help": "Weight of the contrastive term; the paper: 0.1."}
    )
    contrastive_positives: Literal["context", "pace"] = field(
        default="context", metadata={"help": "Alike are two clips of one video, or all clips of one pace."}
    )
    embedding_size: int = field(default=128, metadata={"help": "Size of what the contrastive term compares."})
    temperature: float = field(default=0.1, metadata={"help": "τ of the contrastive term."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_choice("color_jitter", self.color_jitter, tuple(JITTERS))
        check_choice("contrastive_positives", self.contrastive_positives, ("context", "pace"))
        if self.max_pace < 2:
            raise ValueError(f"max_pace is {self.max_pace}; there must be at least 2 paces to tell apart")
        if self.embedding_size < 1:
            raise ValueError(f"embedding_size is {self.embedding_size}; it must be at least 1")
        if not (self.contrastive_weight >= 0 and self.temperature > 0):
            raise ValueError(
                f"contrastive_weight is {self.contrastive_weight} and temperature {self.temperature}; the first must "
                "not be negative, the second positive"
            )


COLORS = v2.RandomApply([v2.ColorJitter(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)], p=0.8)
JITTERS: dict[str, nn.Module] = {"frame": FrameByFrame(COLORS), "clip": AsOneImage(COLORS), "none": nn.Identity()}


class PaceViews(VideoViews):
    """One clip at a random pace, or two: `clips` `(K, T, C, h, w)` and `paces` `(K,)`, 0 for pace 1."""

    def __init__(
        self, processor: BaseVideoProcessor, num_frames: int, arguments: PaceArguments, num_clips: int
    ) -> None:
        self.num_frames = num_frames
        self.span = arguments.max_pace * (num_frames - 1) + 1
        self.num_clips, self.max_pace, self.processor = num_clips, arguments.max_pace, processor
        self.augment = v2.Compose(
            [
                resized_crop(processor),
                v2.RandomHorizontalFlip(),
                JITTERS[arguments.color_jitter],
                normalisation(processor),
            ]
        )

    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        """Each clip is augmented on its own."""
        stride = ClipProcessor.stride_of(self.processor, reader.fps)
        paces = torch.randint(self.max_pace, (self.num_clips,))
        indices = [paced_clip(reader.num_frames, self.num_frames, (1 + int(pace)) * stride) for pace in paces]
        frames = reader.read([index for clip in indices for index in clip])
        return {"clips": torch.stack([self.augment(clip) for clip in frames.chunk(self.num_clips)]), "paces": paces}


class Pace(Objective):
    """At which pace is the clip played: of every frame, every second, third or fourth.

    Cross-entropy of the pace, and, where `contrastive_weight` says so, `contrastive_loss` of two clips per video, of
    which the paper does not tell projection and temperature at hand: two layers and 0.1 are ours. Unlike the released
    code, which feeds BGR in 0 … 255, clips are RGB, normalised as for fine-tuning. With `color_jitter` "frame" the
    pace is hard to see: a small network on few videos did not start to learn (docs/results.md); with "clip" and "none"
    it did.
    """

    name = "pace"
    Arguments = PaceArguments
    arguments: PaceArguments

    def __init__(self, encoder: PreTrainedModel, arguments: PaceArguments) -> None:
        super().__init__(encoder, arguments)
        dim = self.feature_size
        self.pace_head = nn.Linear(dim, arguments.max_pace)
        self.projection = None
        if arguments.contrastive_weight:
            self.projection = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, arguments.embedding_size))

    def views(self, processor: BaseVideoProcessor) -> PaceViews:
        """One clip per video, two with the contrastive term."""
        num_clips = 1 if self.projection is None else 2
        return PaceViews(processor, self.encoder.config.num_frames, self.arguments, num_clips)

    def fit_to_batch(self, videos_per_process: int, processes: int) -> None:
        """Refuse a contrastive term without negatives."""
        if self.projection is not None and videos_per_process < 2:
            raise ValueError(
                "the contrastive term compares the videos of a process, and per_device_train_batch_size is "
                f"{videos_per_process}; make it at least 2, or contrastive_weight 0"
            )

    def forward(self, clips: Tensor, paces: Tensor) -> ObjectiveOutput:
        """Args are `clips` `(videos, K, T, C, h, w)` and `paces` `(videos, K)`; logs the accuracy of each term."""
        videos = len(clips)
        features, pace = self.features(clips.flatten(0, 1)), paces.flatten()
        logits = self.pace_head(features).float()
        loss = F.cross_entropy(logits, pace)
        metrics = {"pace_accuracy": (logits.argmax(1) == pace).float().view(videos, -1).mean(1)}
        if self.projection is not None:
            embeddings = F.normalize(self.projection(features).float())
            video = torch.arange(videos, device=pace.device).repeat_interleave(clips.shape[1])
            alike = video if self.arguments.contrastive_positives == "context" else pace
            loss = loss + self.arguments.contrastive_weight * contrastive_loss(
                embeddings, alike, self.arguments.temperature
            )
            metrics["context_accuracy"] = _nearest_is(embeddings, video).view(videos, -1).mean(1)
        return ObjectiveOutput(loss, metrics)


def paced_clip(num_frames: int, clip_length: int, step: float) -> list[int]:
    """Every `step`-th frame from a uniformly random start; beyond the end it goes on at the first frame."""
    position, indices = float(torch.randint(num_frames, ())), []
    for _ in range(clip_length):
        if round(position) >= num_frames:
            position = 0.0
        indices.append(round(position))
        position += step
    return indices


def contrastive_loss(embeddings: Tensor, alike: Tensor, temperature: float) -> Tensor:
    """InfoNCE over the pairs of a batch.

    For clip i and its positives P(i), the other clips with i's value in `alike`, and its negatives N(i), the clips
    with another value: −1/|P(i)| · Σ_p log(e(i, p) / (e(i, p) + Σ_n e(i, n))) with e(i, j) = exp(z_i·z_j/τ), averaged
    over the clips that have positives.

    Args:
        embeddings: z, unit-length, `(clips, dim)`.
        alike: `(clips,)`.
        temperature: τ.
    """
    similarity = _similarity(embeddings) / temperature
    same = alike[:, None] == alike
    positive = same & ~torch.eye(len(alike), dtype=torch.bool, device=alike.device)
    negatives = similarity.masked_fill(same, -torch.inf).logsumexp(1, keepdim=True)
    of_pairs = (torch.logaddexp(similarity, negatives) - similarity).masked_fill(~positive, 0)
    has_one = positive.any(1)
    return (of_pairs.sum(1) / positive.sum(1).clamp(min=1))[has_one].sum() / has_one.sum().clamp(min=1)


def _nearest_is(embeddings: Tensor, video: Tensor) -> Tensor:
    similarity = _similarity(embeddings.detach()).fill_diagonal_(-torch.inf)
    return (video[similarity.argmax(1)] == video).float()


def _similarity(embeddings: Tensor) -> Tensor:
    """Half precision would make alike ones equal, and over τ they are too large for it."""
    with torch.autocast(embeddings.device.type, enabled=False):
        return embeddings @ embeddings.T
