"""Tar shards of tiny videos, written by the tests."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import datasets
from videos import numbered_frames, write_video


def write_shards(folder: Path, shards: int, videos_per_shard: int, broken: tuple[int, ...] = ()) -> None:
    """Write `<folder>/<n>.tar` in WebDataset's layout; the label of a video is its number, counted over all shards."""
    video = write_video(folder / "video.mp4", numbered_frames(10, 16, 16)).read_bytes()
    for shard in range(shards):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for number in range(shard * videos_per_shard, (shard + 1) * videos_per_shard):
                content = b"no video" if number in broken else video
                for extension, data in (("mp4", content), ("cls", str(number).encode())):
                    member = tarfile.TarInfo(f"{number:03d}.{extension}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))


def read_shards(folder: Path) -> datasets.IterableDataset:
    """A stream with the columns `video` and `label`, as the guide makes it."""
    files = str(folder / "*.tar")
    records = datasets.load_dataset("webdataset", data_files=files, split="train", streaming=True)
    records = records.cast_column("mp4", datasets.Video(decode=False))  # first: what follows would decode
    return records.rename_columns({"mp4": "video", "cls": "label"}).select_columns(["video", "label"])
