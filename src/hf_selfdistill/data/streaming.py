"""Training clips from shards that are read in sequence: data sets too large to list, or kept as tar files."""

from __future__ import annotations

import copy
import itertools
import logging
import zlib
from collections.abc import Iterator
from typing import Any, Self

import datasets
import torch
from datasets.distributed import split_dataset_by_node
from torch.utils.data import IterableDataset

from hf_selfdistill.data.clips import ClipTransform
from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.data.findings import VideoFindings
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.transforms import seeded_draws

__all__ = ["StreamedClips", "StreamedVideos"]

logger = logging.getLogger(__name__)

FIRST_LOOK = 100  # videos: in fewer, a share of unreadable ones says little


class StreamedVideos(IterableDataset[dict[str, Any]]):
    """Epochs of a given number of random samples of a stream of videos, which subclasses draw.

    Each epoch begins with the shards in a new order, and the stream starts over where it ends before the epoch does.
    `VideoTrainer` gives each process a part of the shards, and each worker a part of those. Every draw depends on
    (seed, epoch, times the stream started over, name of the video) alone, so a run resumed with as many processes and
    workers is the same run. A video that can't be read is named, with the reason, and left out. Add its
    `EpochCallback` to the Trainer.

    Args:
        records: a stream with the column `video` (not decoded: `datasets.Video(decode=False)`), in at least as many
            shards as processes × workers; a multiple of the processes, else each reads all shards.
        clips_per_epoch: samples, over all processes.
        seed: of all draws and of the order.
        shuffle_buffer: videos, as they are in their files, held by each worker to draw the next one from.
        max_unreadable: share of the videos read so far that may be unreadable.
        findings: to which videos that can't be read are added as `unreadable`, with the reason.

    Raises:
        ValueError: `clips_per_epoch` is not positive; while it is read, too many videos are unreadable.
    """

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
            raise ValueError(f"clips_per_epoch is {clips_per_epoch}; an epoch must have at least one clip")
        # With our seed: processes that shuffled differently would not have different shards.
        self.records = records.shuffle(seed=seed, buffer_size=shuffle_buffer)
        self.clips_per_epoch = clips_per_epoch
        self.seed = seed
        self.max_unreadable = max_unreadable
        self.findings = findings
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # reaches workers that already run
        self._named: set[str] = set()

    def __len__(self) -> int:
        return self.clips_per_epoch

    def set_epoch(self, epoch: int) -> None:
        """Draw other clips, in another order, from the next iteration on."""
        self._epoch.fill_(epoch)

    def part(self, index: int, count: int) -> Self:
        """What one of `count` processes reads: other videos than the others, and its share of an epoch's clips.

        Raises:
            ValueError: an epoch has fewer clips than there are processes.
        """
        if self.clips_per_epoch < count:
            raise ValueError(f"clips_per_epoch is {self.clips_per_epoch}, fewer than the {count} processes")
        if self.records.n_shards % count:
            logger.warning(
                "%d shards can't be divided among %d processes, so each reads all and decodes its share; make the "
                "number of shards a multiple of the processes",
                self.records.n_shards,
                count,
            )
        part = copy.copy(self)
        part.records = split_dataset_by_node(self.records, rank=index, world_size=count)
        part.clips_per_epoch = self.clips_per_epoch // count
        return part

    def draw(self, record: dict[str, Any], reader: VideoReader) -> dict[str, Any]:
        """The sample of one video, with torch's global generator."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # A bound, no promise: each of several workers stops here, and the Trainer takes as many batches as it needs.
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
                with VideoReader(video["bytes"] if video["bytes"] is not None else video["path"]) as reader:
                    return self.draw(record, reader)
            except VideoDecodingError as error:
                raise VideoDecodingError(video["path"] or error.video, error.reason) from None

    def _leave_out(self, error: VideoDecodingError, unreadable: int, read: int) -> None:
        if error.video not in self._named:
            self._named.add(error.video)
            logger.warning("left out, can't be read: %s", error)
            if self.findings is not None:
                self.findings.add("unreadable", error.video, error.reason)
        if unreadable > self.max_unreadable * max(read, FIRST_LOOK):
            raise ValueError(
                f"{unreadable} of the {read} videos read so far can't be read, more than max_unreadable "
                f"{self.max_unreadable:g} allows; the latest: {error}"
            )


class StreamedClips(StreamedVideos):
    """One random, augmented clip per video: `pixel_values (T, C, H, W)` and `labels`; see `StreamedVideos`.

    Args:
        records: as there, with a column `label`.
        clips_per_epoch: as there.
        sampler: which frames; one clip of a video, see `clip_sampler`.
        transform: augmentation and normalisation of one clip.
        input_name: the model's name for its clips.
        kwargs: what `StreamedVideos` takes.
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
        self.sampler = sampler
        self.transform = transform
        self.input_name = input_name

    def draw(self, record: dict[str, Any], reader: VideoReader) -> dict[str, Any]:
        """A clip and its video's label."""
        (clip,) = self.sampler(reader.num_frames, reader.fps)
        return {"labels": record["label"], self.input_name: self.transform(reader.read(clip))}
