"""Samples of unlabelled videos for self-supervised objectives."""

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
    """Sampler of one video for a self-supervised objective, with torch's global generator.

    Attributes:
        span: length of the longest window, in frames of a clip. A shorter video repeats cyclically.
        processor: video processor of the encoder; it stores the distance between frames.
    """

    span: int
    processor: BaseVideoProcessor

    @abstractmethod
    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        """Draw one sample.

        Args:
            reader: reader of the video; one call of `read` for all frames is the fastest.
            video: path or name of the video, a key for caches of expensive computations.
        """


class UnlabelledClips(RandomClips):
    """One sample per video and epoch; see `RandomClips`.

    Args:
        records: videos, with the column `video`.
        views: sampler of one video.
        seed: seed of all draws.
    """

    def __init__(self, records: datasets.Dataset, views: VideoViews, seed: int = 0) -> None:
        super().__init__(records, seed)
        self.views = views
        _, self.target_fps = ClipProcessor.sampling_of(views.processor)
        self._short = torch.zeros(len(records), dtype=torch.bool).share_memory_()

    def draw(self, index: int, reader: VideoReader) -> dict[str, Tensor]:
        """Draw the views of a video, and record a short video."""
        self._short[index] = _is_short(reader, self.views)
        return self.views(reader, self.records[index]["video"]["path"] or f"video {index}")

    def short_indices(self) -> list[int]:
        """Return the indices of the videos read so far that are shorter than the longest window."""
        return self._short.nonzero().flatten().tolist()


class StreamedUnlabelledClips(StreamedVideos):
    """One sample per video of a stream; see `StreamedVideos`.

    Videos shorter than the longest window are added to `findings` as `short`.

    Args:
        records: a stream with the column `video` (not decoded).
        clips_per_epoch: number of samples of an epoch, over all processes.
        views: sampler of one video.
        kwargs: further arguments of `StreamedVideos`.
    """

    def __init__(
        self, records: datasets.IterableDataset, clips_per_epoch: int, views: VideoViews, **kwargs: Any
    ) -> None:
        super().__init__(records, clips_per_epoch, **kwargs)
        self.views = views
        _, self.target_fps = ClipProcessor.sampling_of(views.processor)

    def draw(self, record: dict[str, Any], reader: VideoReader) -> dict[str, Tensor]:
        """Draw the views of a video, and record a short video."""
        name = record["video"]["path"] or "a streamed video"
        if self.findings is not None and _is_short(reader, self.views):
            self.findings.add("short", name, f"{reader.num_frames} frames at {reader.fps:g} per second")
        return self.views(reader, name)


def _is_short(reader: VideoReader, views: VideoViews) -> bool:
    stride = ClipProcessor.stride_of(views.processor, reader.fps)
    last = (views.span - 1) * stride  # position of a window's last frame, before rounding
    return last + 0.5 >= reader.num_frames
