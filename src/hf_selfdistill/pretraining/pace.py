"""Pace prediction (Wang, Jiao & Liu, ECCV 2020, arXiv 2008.05861)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.data.unlabelled import VideoViews
from hf_selfdistill.pretraining.augmentation import AsOneImage, ColorJitter, FrameByFrame, normalisation, read_clips
from hf_selfdistill.pretraining.objective import Objective, ObjectiveOutput
from hf_selfdistill.pretraining.objective_arguments import PaceArguments

__all__ = ["Pace", "contrastive_loss", "paced_clip"]


COLORS = v2.RandomApply([ColorJitter(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)], p=0.8)
JITTERS: dict[str, nn.Module] = {"frame": FrameByFrame(COLORS), "clip": AsOneImage(COLORS), "none": nn.Identity()}


class PaceViews(VideoViews):
    """K clips of a video at random paces: `clips` `(K, T, C, h, w)` and `paces` `(K,)`, 0 for pace 1.

    The whole frame is resized to 128×171 for a model of 112 pixels, and then cropped at random to the model's size.
    The released code resizes with OpenCV, as the processor does with `antialias` False.
    """

    def __init__(
        self, processor: BaseVideoProcessor, num_frames: int, arguments: PaceArguments, num_clips: int
    ) -> None:
        height, width = ClipProcessor.size_of(processor)
        antialias = ClipProcessor.antialias_of(processor)
        self.num_frames = num_frames
        self.span = arguments.max_pace * (num_frames - 1) + 1
        self.num_clips, self.max_pace, self.processor = num_clips, arguments.max_pace, processor
        self.augment = v2.Compose(
            [
                v2.ToDtype(torch.float32, scale=True),
                v2.Resize((round(128 / 112 * height), round(171 / 112 * width)), antialias=antialias),
                v2.RandomCrop((height, width)),
                v2.RandomHorizontalFlip(),
                JITTERS[arguments.color_jitter],
                normalisation(processor),
            ]
        )

    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        """Return a sample; each clip is augmented separately."""
        stride = ClipProcessor.stride_of(self.processor, reader.fps)
        paces = torch.randint(self.max_pace, (self.num_clips,))
        indices = [paced_clip(reader.num_frames, self.num_frames, (1 + int(pace)) * stride) for pace in paces]
        clips = [self.augment(clip) for clip in read_clips(reader, indices)]
        return {"clips": torch.stack(clips), "paces": paces}


class Pace(Objective):
    """Pace prediction: the clip has every frame of the video, or every second, third or fourth.

    The loss is the cross-entropy of the pace, plus `contrastive_weight` times the `contrastive_loss` of two clips per
    video. The paper does not give the projection and the temperature of the latter; two layers and 0.1 are ours. The
    released code feeds BGR in 0 … 255; our clips are RGB, normalised as for fine-tuning. With `color_jitter` "frame"
    the pace is hard to see: a small network on few videos did not start to learn (docs/results.md). With "clip" and
    "none" it did.
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
        """Return views of one clip per video, or of two with the contrastive term."""
        num_clips = 1 if self.projection is None else 2
        return PaceViews(processor, self.encoder.config.num_frames, self.arguments, num_clips)

    def fit_to_batch(self, videos_per_process: int, processes: int) -> None:
        """Check that the contrastive term has negatives.

        Raises:
            ValueError: a process has a single video.
        """
        if self.projection is not None and videos_per_process < 2:
            raise ValueError(
                f"`per_device_train_batch_size` is {videos_per_process}, but the contrastive term compares the videos "
                "of a process; set it to at least 2, or set `contrastive_weight` to 0"
            )

    def forward(self, clips: Tensor, paces: Tensor) -> ObjectiveOutput:
        """Return the loss and each term's accuracy for `clips` `(videos, K, T, C, h, w)` and `paces` `(videos, K)`."""
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
    """Return the indices of every `step`-th frame from a random start, continued at frame 0 after the last frame."""
    position, indices = float(torch.randint(num_frames, ())), []
    for _ in range(clip_length):
        if round(position) >= num_frames:
            position = 0.0
        indices.append(round(position))
        position += step
    return indices


def contrastive_loss(embeddings: Tensor, alike: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE over the pairs of a batch.

    The positives P(i) of clip i are the other clips with the same value in `alike`, its negatives N(i) the clips with
    another value. The loss of clip i is −1/|P(i)| · Σ_p log(e(i, p) / (e(i, p) + Σ_n e(i, n))) with
    e(i, j) = exp(z_i·z_j/τ). It is averaged over the clips that have positives.

    Args:
        embeddings: unit-length embeddings z `(clips, dim)`.
        alike: group numbers `(clips,)`; clips of a group are positives of each other.
        temperature: τ.
    """
    similarity = _similarity(embeddings) / temperature
    same = alike[:, None] == alike
    positive = same & ~torch.eye(len(alike), dtype=torch.bool, device=alike.device)
    negatives = similarity.masked_fill(same, -torch.inf).logsumexp(1, keepdim=True)
    pairs = (torch.logaddexp(similarity, negatives) - similarity).masked_fill(~positive, 0)
    counted = positive.any(1)
    return (pairs.sum(1) / positive.sum(1).clamp(min=1))[counted].sum() / counted.sum().clamp(min=1)


def _nearest_is(embeddings: Tensor, video: Tensor) -> Tensor:
    similarity = _similarity(embeddings.detach()).fill_diagonal_(-torch.inf)
    return (video[similarity.argmax(1)] == video).float()


def _similarity(embeddings: Tensor) -> Tensor:
    """Return all cosines without autocast: half precision merges close values, which divided by τ are too large."""
    with torch.autocast(embeddings.device.type, enabled=False):
        return embeddings @ embeddings.T
