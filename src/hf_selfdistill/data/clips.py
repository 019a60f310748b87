"""Data sets of clips over records (video, label, group), and their batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import datasets
import torch
from torch.utils.data import Dataset

from hf_selfdistill.data.decoding import MAX_SECONDS, VideoDecodingError, VideoReader
from hf_selfdistill.data.prepared import open_video
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.transforms import same_draws, seeded_draws

__all__ = ["UNREADABLE", "RandomClips", "TestingClips", "TrainingClips", "VideoClips", "collate_clips", "video_name"]

ClipTransform = Callable[[torch.Tensor], torch.Tensor]
"""Transform of a clip or a part of it, `(T, C, H, W)` uint8, to the `(T, C, h, w)` float that a model takes."""

UNREADABLE = -100  # cross-entropy and the Trainer's count of clips ignore this label


class VideoClips(Dataset[dict[str, Any]]):
    """Base of data sets of clips; subclasses draw the clips.

    The epoch and the indices of unreadable files are in shared memory, because workers are separate processes. So any
    Trainer works, with any number of workers.

    Args:
        records: videos, with the column `video`.

    Attributes:
        max_seconds (`float`): time limit of `VideoReader` for each video.
        target_fps (`float`, *optional*): frame rate of the clips, for `VideoReader`.
    """

    max_seconds = MAX_SECONDS
    target_fps: float | None = None

    def __init__(self, records: datasets.Dataset) -> None:
        self.records = records
        self._unreadable = torch.zeros(len(records), dtype=torch.bool).share_memory_()

    def __len__(self) -> int:
        return len(self.records)

    @contextmanager
    def open(self, index: int) -> Iterator[VideoReader]:
        """Open the reader of one video; on a failure mark the video as unreadable.

        Raises:
            VideoDecodingError: the file can't be read.
        """
        video = self.records[index]["video"]
        source = video["bytes"] if video["bytes"] is not None else video["path"]
        try:
            with open_video(source, max_seconds=self.max_seconds, target_fps=self.target_fps) as reader:
                yield reader
        except VideoDecodingError as error:
            self._unreadable[index] = True
            raise VideoDecodingError(video_name(self.records, index), error.reason) from None

    def read(self, index: int) -> Any:
        """Read one video.

        Raises:
            VideoDecodingError: the file can't be read.
        """
        raise NotImplementedError

    def unreadable_indices(self) -> list[int]:
        """Return the indices of the videos that this process or its workers have failed to read so far."""
        return self._unreadable.nonzero().flatten().tolist()

    def why_unreadable(self, index: int) -> VideoDecodingError:
        """Read a video again and return the error."""
        try:
            self.read(index)
        except VideoDecodingError as error:
            return error
        return VideoDecodingError(self.records[index]["video"]["path"], "it could not be read before, but can be now")


class RandomClips(VideoClips):
    """One random sample per video and epoch; subclasses draw the sample.

    Every draw depends on (seed, epoch, index) alone. The next readable video replaces an unreadable one, so that
    batches keep their size and the processes of a distributed run stay in step. A Trainer needs an `EpochCallback` for
    these clips.

    Args:
        records: videos, with the column `video`.
        seed: seed of all draws.
    """

    def __init__(self, records: datasets.Dataset, seed: int) -> None:
        super().__init__(records)
        self.seed = seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Draw other clips from now on, in running workers too."""
        self._epoch.fill_(epoch)

    def draw(self, index: int, reader: VideoReader) -> dict[str, Any]:
        """Draw the sample of one video with torch's global generator."""
        raise NotImplementedError

    def read(self, index: int) -> dict[str, Any]:
        """Open a video and draw its sample."""
        with self.open(index) as reader:
            return self.draw(index, reader)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index >= len(self):  # or a loop over the clips never ends
            raise IndexError(f"index {index} of {len(self)} videos")
        failure = None
        for neighbour in range(index, index + len(self)):
            neighbour %= len(self)
            if self._unreadable[neighbour]:
                continue
            try:
                # Seeded by `index`, not `neighbour`: a replacement is not the same clip as the neighbour's own.
                with seeded_draws(self.seed, int(self._epoch), index):
                    return self.read(neighbour)
            except VideoDecodingError as error:
                failure = error
        raise failure or self.why_unreadable(index)


class TrainingClips(RandomClips):
    """One random, augmented clip per video and epoch: `pixel_values (T, C, H, W)` and `labels`; see `RandomClips`.

    Args:
        records: videos, with the columns `video` and `label`.
        sampler: sampler of one clip per video, see `ClipSampler`.
        transform: augmentation and normalisation of one clip.
        seed: seed of all draws.
        input_name: name of the model's input.
    """

    def __init__(
        self,
        records: datasets.Dataset,
        sampler: ClipSampler,
        transform: ClipTransform,
        seed: int = 0,
        input_name: str = "pixel_values",
    ) -> None:
        super().__init__(records, seed)
        self.sampler, self.target_fps = sampler, sampler.target_fps
        self.transform = transform
        self.input_name = input_name

    def draw(self, index: int, reader: VideoReader) -> dict[str, Any]:
        """Draw a clip, with the label of its video."""
        (clip,) = self.sampler(reader.num_frames, reader.fps)
        frames = reader.read(clip, same_draws(self.transform))
        return {"labels": self.records[index]["label"], self.input_name: frames}


class TestingClips(VideoClips):
    """All clips of a video: `pixel_values (K, T, C, H, W)` and `labels (K,)`.

    An unreadable file gives black clips with the label −100, which metrics ignore.

    Args:
        records: videos, with the columns `video` and `label`.
        sampler: sampler of the K clips of a video, see `ClipSampler`.
        transform: normalisation of one clip.
        input_name: name of the model's input.
    """

    __test__ = False  # a data set, not a test for pytest to collect

    def __init__(
        self,
        records: datasets.Dataset,
        sampler: ClipSampler,
        transform: ClipTransform,
        input_name: str = "pixel_values",
    ) -> None:
        super().__init__(records)
        self.sampler, self.target_fps = sampler, sampler.target_fps
        self.transform = transform
        self.input_name = input_name

    def read(self, index: int) -> list[torch.Tensor]:
        """Read the clips of one video, `(T, C, h, w)` each.

        Raises:
            VideoDecodingError: the file can't be read.
        """
        with self.open(index) as reader:
            clips = self.sampler(reader.num_frames, reader.fps)
            frames = reader.read([frame for clip in clips for frame in clip], self.transform)
            return list(frames.unflatten(0, (len(clips), -1)))

    def __getitem__(self, index: int) -> dict[str, Any]:
        try:
            clips, label = self.read(index), self.records[index]["label"]
        except VideoDecodingError:
            black = [torch.zeros(len(clip), 3, 64, 64, dtype=torch.uint8) for clip in self.sampler(1, 1.0)]
            clips, label = [self.transform(clip) for clip in black], UNREADABLE
        return {"labels": torch.full((len(clips),), label), self.input_name: torch.stack(clips)}


def collate_clips(samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Stack samples into a batch.

    Training clips become `pixel_values (B, T, C, H, W)` and `labels (B,)`. The K clips of each test video become
    separate clips, `(B·K, T, C, H, W)`, as models take them. Their `labels (B, K)` keep one row per video, because the
    Trainer counts and gathers rows.
    """
    batch = {name: torch.stack([torch.as_tensor(sample[name]) for sample in samples]) for name in samples[0]}
    return {name: value.flatten(0, 1) if value.ndim == 6 else value for name, value in batch.items()}


def video_name(records: datasets.Dataset, index: int) -> str:
    """Return the path of a video, or its index if the record has bytes and no path."""
    return records[index]["video"]["path"] or f"video {index}"
