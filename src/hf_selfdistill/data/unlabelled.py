"""Samples of unlabelled videos, as a self-supervised objective wants them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import datasets
import torch
from torch import Tensor
from transformers import BaseVideoProcessor

from hf_selfdistill.data.clips import RandomClips
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.streaming import StreamedVideos
from hf_selfdistill.data.transforms import ClipProcessor

__all__ = ["StreamedUnlabelledClips", "UnlabelledClips", "VideoViews"]


class VideoViews(ABC):
    """What a self-supervised objective takes of one video, drawn with torch's global generator.

    Attributes:
        span: frames of the longest window that it takes; a video that is shorter repeats cyclically.
        processor: of the encoder, which says how far a window's frames are apart.
    """

    span: int
    processor: BaseVideoProcessor

    @abstractmethod
    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        """One sample.

        Args:
            reader: of the video; all that is wanted of it should be read at once.
            video: its path or name, by which what is costly to compute may be kept.
        """


class UnlabelledClips(RandomClips):
    """One sample per video and epoch; see `RandomClips`.

    Args:
        records: column `video`.
        views: what a sample is made of.
        seed: of all draws.
    """

    def __init__(self, records: datasets.Dataset, views: VideoViews, seed: int = 0) -> None:
        super().__init__(records, seed)
        self.views = views
        self._short = torch.zeros(len(records), dtype=torch.bool).share_memory_()

    def draw(self, index: int, reader: VideoReader) -> dict[str, Tensor]:
        """The views of a video; note if it is short."""
        self._short[index] = _is_short(reader, self.views)
        return self.views(reader, self.records[index]["video"]["path"] or f"video {index}")

    def short_indices(self) -> list[int]:
        """Indices of the videos that were read so far and are shorter than the longest window."""
        return self._short.nonzero().flatten().tolist()


class StreamedUnlabelledClips(StreamedVideos):
    """One sample per video of a stream; see `StreamedVideos`.

    Videos that are shorter than the longest window are added to `findings` as `short`.

    Args:
        records: as there.
        clips_per_epoch: as there.
        views: what a sample is made of.
        kwargs: what `StreamedVideos` takes.
    """

    def __init__(
        self, records: datasets.IterableDataset, clips_per_epoch: int, views: VideoViews, **kwargs: Any
    ) -> None:
        super().__init__(records, clips_per_epoch, **kwargs)
        self.views = views

    def draw(self, record: dict[str, Any], reader: VideoReader) -> dict[str, Tensor]:
        """The views of a video; note if it is short."""
        name = record["video"]["path"] or "a streamed video"
        if self.findings is not None and _is_short(reader, self.views):
            self.findings.add("short", name, f"{reader.num_frames} frames at {reader.fps:g} per second")
        return self.views(reader, name)


def _is_short(reader: VideoReader, views: VideoViews) -> bool:
    stride = ClipProcessor.stride_of(views.processor, reader.fps)
    last = (views.span - 1) * stride  # a window's last frame, of which the nearest is taken
    return last + 0.5 >= reader.num_frames
