"""From records (video, label, group) to clips, and from clips to batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import datasets
import torch
from torch.utils.data import Dataset

from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.transforms import seeded_draws

__all__ = ["UNREADABLE", "RandomClips", "TestingClips", "TrainingClips", "VideoClips", "collate_clips", "video_name"]

ClipTransform = Callable[[torch.Tensor], torch.Tensor]
"""`(T, C, H, W)` uint8 → `(T, C, h, w)` float, what a model takes."""

UNREADABLE = -100  # the label that cross-entropy and the Trainer's count of clips leave out
MOST_PIXELS = 2**28  # of a video's clips held at once, 0.8 GB: ten clips of 16 frames at 1080p take more


class VideoClips(Dataset[dict[str, Any]]):
    """Clips of a data set of videos, which subclasses draw.

    Workers are processes of their own. What they must learn while they live (the epoch) and what they find out (which
    files can't be read) is kept in shared memory, so that any Trainer and any number of workers will do.
    """

    def __init__(self, records: datasets.Dataset) -> None:
        self.records = records
        self._unreadable = torch.zeros(len(records), dtype=torch.bool).share_memory_()

    def __len__(self) -> int:
        return len(self.records)

    @contextmanager
    def open(self, index: int) -> Iterator[VideoReader]:
        """The reader of one video; what can't be read in it is noted.

        Raises:
            VideoDecodingError: the file can't be read.
        """
        video = self.records[index]["video"]
        try:
            with VideoReader(video["bytes"] if video["bytes"] is not None else video["path"]) as reader:
                yield reader
        except VideoDecodingError as error:
            self._unreadable[index] = True
            raise VideoDecodingError(video_name(self.records, index), error.reason) from None

    def read(self, index: int) -> Any:
        """What a sample is made of; raises VideoDecodingError where the file can't be read."""
        raise NotImplementedError

    def unreadable_indices(self) -> list[int]:
        """Indices of the videos that some worker of this process failed to read so far."""
        return self._unreadable.nonzero().flatten().tolist()

    def why_unreadable(self, index: int) -> VideoDecodingError:
        """The error that reading a video gives."""
        try:
            self.read(index)
        except VideoDecodingError as error:
            return error
        return VideoDecodingError(self.records[index]["video"]["path"], "it could not be read before, but can be now")


class RandomClips(VideoClips):
    """One random sample per video and epoch, which subclasses draw.

    Every draw depends on (seed, epoch, index) alone. A file that can't be read is replaced by the next one that can,
    so that batches keep their size and the processes of a distributed run stay in step. Add its `EpochCallback` to the
    Trainer.
    """

    def __init__(self, records: datasets.Dataset, seed: int) -> None:
        super().__init__(records)
        self.seed = seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Draw other clips; reaches workers that already run."""
        self._epoch.fill_(epoch)

    def draw(self, index: int, reader: VideoReader) -> dict[str, Any]:
        """The sample of one video, with torch's global generator."""
        raise NotImplementedError

    def read(self, index: int) -> dict[str, Any]:
        """Open a video and draw its sample."""
        with self.open(index) as reader:
            return self.draw(index, reader)

    def __getitem__(self, index: int) -> dict[str, Any]:
        failure = None
        for neighbour in range(index, index + len(self)):
            neighbour %= len(self)
            if self._unreadable[neighbour]:
                continue
            try:
                # By the index asked for: a replacement is not the very clip that its own index gives.
                with seeded_draws(self.seed, int(self._epoch), index):
                    return self.read(neighbour)
            except VideoDecodingError as error:
                failure = error
        raise failure or self.why_unreadable(index)


class TrainingClips(RandomClips):
    """One random, augmented clip per video and epoch: `pixel_values (T, C, H, W)` and `labels`; see `RandomClips`.

    Args:
        records: columns `video` and `label`.
        sampler: see `clip_sampler`.
        transform: augmentation and normalisation of one clip.
        seed: of all draws.
        input_name: the model's name for its clips.
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
        self.sampler = sampler
        self.transform = transform
        self.input_name = input_name

    def draw(self, index: int, reader: VideoReader) -> dict[str, Any]:
        """A clip and its video's label."""
        (clip,) = self.sampler(reader.num_frames, reader.fps)
        return {"labels": self.records[index]["label"], self.input_name: self.transform(reader.read(clip))}


class TestingClips(VideoClips):
    """All clips of a video: `pixel_values (K, T, C, H, W)` and `labels (K,)`.

    A file that can't be read gives black clips whose labels say that they count nowhere.
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
        self.sampler = sampler
        self.transform = transform
        self.input_name = input_name

    def read(self, index: int) -> list[torch.Tensor]:
        """The clips of one video, `(T, C, h, w)` each; read one by one where all of them would fill the memory.

        Raises:
            VideoDecodingError: the file can't be read.
        """
        with self.open(index) as reader:
            clips = self.sampler(reader.num_frames, reader.fps)
            at_once = MOST_PIXELS >= reader.frame_pixels * len(clips) * len(clips[0])
            transformed = []
            for group in [clips] if at_once else [[clip] for clip in clips]:
                frames = reader.read([frame for clip in group for frame in clip])
                transformed += [self.transform(clip) for clip in frames.unflatten(0, (len(group), -1))]
            return transformed

    def __getitem__(self, index: int) -> dict[str, Any]:
        try:
            clips, label = self.read(index), self.records[index]["label"]
        except VideoDecodingError:
            black = [torch.zeros(len(clip), 3, 64, 64, dtype=torch.uint8) for clip in self.sampler(1, 1.0)]
            clips, label = [self.transform(clip) for clip in black], UNREADABLE
        return {"labels": torch.full((len(clips),), label), self.input_name: torch.stack(clips)}


def collate_clips(samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Stack samples into a batch.

    Training clips become `pixel_values (B, T, C, H, W)` and `labels (B,)`. The K clips of testing videos are laid out
    as clips of their own, `(B·K, T, C, H, W)`, which is what models take, while `labels (B, K)` keep one row per
    video, which is what is counted and gathered.
    """
    batch = {name: torch.stack([torch.as_tensor(sample[name]) for sample in samples]) for name in samples[0]}
    return {name: value.flatten(0, 1) if value.ndim == 6 else value for name, value in batch.items()}


def video_name(records: datasets.Dataset, index: int) -> str:
    """The video's path, or its place where it is bytes without one."""
    return records[index]["video"]["path"] or f"video {index}"
