"""Training clips from shards that are read in sequence, for data sets too large to list or kept as tar files."""

from __future__ import annotations

import copy
import itertools
import logging
import zlib
from collections.abc import Iterator
from typing import Any

import datasets
import torch
from datasets.distributed import split_dataset_by_node
from torch.utils.data import IterableDataset
from typing_extensions import Self

from hf_selfdistill.data.clips import ClipTransform
from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.data.findings import VideoFindings
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.transforms import same_draws, seeded_draws

__all__ = ["StreamedClips", "StreamedVideos"]

logger = logging.getLogger(__name__)

FIRST_LOOK = 100  # videos; among fewer, a share of unreadable videos is not reliable


class StreamedVideos(IterableDataset[dict[str, Any]]):
    """Epochs of a given number of random samples from a stream of videos; subclasses draw the samples.

    Each epoch begins with the shards in a new order. The stream starts over if it ends before the epoch.
    `VideoTrainer` gives each process a part of the shards, and each worker a part of its process's shards. Every draw
    depends on (seed, epoch, number of restarts of the stream, name of the video) alone, so a run resumed with the same
    numbers of processes and workers is the same run. An unreadable video is skipped, with a warning that names the
    reason. A Trainer needs an `EpochCallback` for these clips.

    Args:
        records: a stream with the column `video` (not decoded: `datasets.Video(decode=False)`). It needs at least as
            many shards as processes × workers. If their number is not a multiple of the processes, each process reads
            all shards.
        clips_per_epoch: number of samples of an epoch, over all processes.
        seed: seed of all draws and of the order.
        shuffle_buffer: number of undecoded videos that each worker holds to draw the next one from.
        max_unreadable: largest allowed share of unreadable videos among the videos read so far.
        findings: notes that get each unreadable video, as `unreadable` with the reason.

    Attributes:
        target_fps (`float`, *optional*): frame rate of the clips, for `VideoReader`.

    Raises:
        ValueError: `clips_per_epoch` is not positive, or, during iteration, too many videos are unreadable.
    """

    target_fps: float | None = None

    def __init__(
        self,
        records: datasets.IterableDataset,
        clips_per_epoch: int,
        seed: int = 0,
        shuffle_buffer: int = 256,
        max_unreadable: float = 0.05,
        findings: VideoFindings | None = None,
    ) -> None:
        if clips_per_epoch < 1:
            raise ValueError(f"`clips_per_epoch` is {clips_per_epoch}; it must be at least 1")
        # All processes shuffle with the same seed; with different orders two processes could get the same shard.
        self.records = records.shuffle(seed=seed, buffer_size=shuffle_buffer)
        self.clips_per_epoch = clips_per_epoch
        self.seed = seed
        self.max_unreadable = max_unreadable
        self.findings = findings
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # running workers see a change
        self._named: set[str] = set()

    def __len__(self) -> int:
        return self.clips_per_epoch

    def set_epoch(self, epoch: int) -> None:
        """Draw other clips, in another order, from the next iteration on."""
        self._epoch.fill_(epoch)

    def part(self, index: int, count: int) -> Self:
        """Return the part of one process: its own videos, and its share of an epoch's clips.

        Args:
            index: rank of the process.
            count: number of processes.

        Raises:
            ValueError: an epoch has fewer clips than there are processes.
        """
        if self.clips_per_epoch < count:
            raise ValueError(
                f"`clips_per_epoch` is {self.clips_per_epoch}; it must be at least {count}, one per process"
            )
        if self.records.n_shards % count:
            logger.warning(
                "%d shards can't be divided among %d processes: each process reads all shards and decodes its share; "
                "make the number of shards a multiple of the number of processes",
                self.records.n_shards,
                count,
            )
        part = copy.copy(self)
        part.records = split_dataset_by_node(self.records, rank=index, world_size=count)
        part.clips_per_epoch = self.clips_per_epoch // count
        return part

    def draw(self, record: dict[str, Any], reader: VideoReader) -> dict[str, Any]:
        """Draw the sample of one video with torch's global generator."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # This is only an upper bound: several workers each yield up to this number, and the Trainer stops earlier.
        return itertools.islice(self._endless(), len(self))

    def _endless(self) -> Iterator[dict[str, Any]]:
        epoch = int(self._epoch)
        self.records.set_epoch(epoch)
        read = unreadable = 0
        for lap in itertools.count():
            readable, failure = False, None
            for record in self.records:
                read += 1
                try:
                    sample = self._sample(record, epoch, lap)
                except VideoDecodingError as error:
                    failure = error
                    unreadable += 1
                    self._leave_out(error, unreadable, read)
                else:
                    readable = True
                    yield sample
            if failure is not None and not readable:
                raise failure
            if not readable:  # more workers than shards
                return

    def _sample(self, record: dict[str, Any], epoch: int, lap: int) -> dict[str, Any]:
        video = record["video"]
        key = zlib.crc32(video["path"].encode() if video["path"] else video["bytes"])
        with seeded_draws(self.seed, epoch, lap, key):
            try:
                source = video["bytes"] if video["bytes"] is not None else video["path"]
                with VideoReader(source, target_fps=self.target_fps) as reader:
                    return self.draw(record, reader)
            except VideoDecodingError as error:
                raise VideoDecodingError(video["path"] or error.video, error.reason) from None

    def _leave_out(self, error: VideoDecodingError, unreadable: int, read: int) -> None:
        if error.video not in self._named:
            self._named.add(error.video)
            logger.warning("Skipped an unreadable video: %s", error)
            if self.findings is not None:
                self.findings.add("unreadable", error.video, error.reason)
        if unreadable > self.max_unreadable * max(read, FIRST_LOOK):
            raise ValueError(
                f"{unreadable} of the first {read} videos can't be read, more than `max_unreadable` "
                f"{self.max_unreadable:g} allows; repair or remove them; the latest: {error}"
            )


class StreamedClips(StreamedVideos):
    """One random, augmented clip per video: `pixel_values (T, C, H, W)` and `labels`; see `StreamedVideos`.

    Args:
        records: a stream with the columns `video` (not decoded) and `label`.
        clips_per_epoch: number of samples of an epoch, over all processes.
        sampler: sampler of one clip per video, see `ClipSampler`.
        transform: augmentation and normalisation of one clip.
        input_name: name of the model's input.
        kwargs: further arguments of `StreamedVideos`.
    """

    def __init__(
        self,
        records: datasets.IterableDataset,
        clips_per_epoch: int,
        sampler: ClipSampler,
        transform: ClipTransform,
        input_name: str = "pixel_values",
        **kwargs: Any,
    ) -> None:
        super().__init__(records, clips_per_epoch, **kwargs)
        self.sampler, self.target_fps = sampler, sampler.target_fps
        self.transform = transform
        self.input_name = input_name

    def draw(self, record: dict[str, Any], reader: VideoReader) -> dict[str, Any]:
        """Draw a clip, with the label of its video."""
        (clip,) = self.sampler(reader.num_frames, reader.fps)
        return {"labels": record["label"], self.input_name: reader.read(clip, same_draws(self.transform))}
