"""Check of a folder of videos, and its copy in a form that is fast to read."""

from __future__ import annotations

import csv
import io
import logging
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import av
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import functional as F
from tqdm import tqdm

from hf_selfdistill.data.containers import VideoDecodingError, open_video_stream
from hf_selfdistill.data.decoding import MAX_PIXELS, VideoReader
from hf_selfdistill.data.prepared import Trailer, write_prepared
from hf_selfdistill.data.video_files import videos_below
from hf_selfdistill.data.whole_files import whole_file, write_whole

__all__ = ["TABLE", "CheckedVideo", "PrepareConfig", "prepare"]

logger = logging.getLogger(__name__)

TABLE = "checked_videos.csv"
LISTS = (".txt", ".csv")
FRAMES_AT_ONCE = 256


@dataclass
class PrepareConfig:
    """Preparation of a data set."""

    dataset_root: str = field(metadata={"help": "Folder of the videos, with its subfolders."})
    output_dir: str = field(metadata={"help": "Folder of the prepared videos, in the same subfolders, and the table."})
    short_side: int = field(default=128, metadata={"help": "Height or width of the prepared frames, the smaller one."})
    check_only: bool = field(default=False, metadata={"help": "Decode every video, but write only the table."})
    num_workers: int = field(default=os.cpu_count() or 1, metadata={"help": "Number of processes."})
    max_unreadable: float = field(default=0.05, metadata={"help": "Largest share of unreadable videos, of 1."})

    def __post_init__(self) -> None:
        """Check the values."""
        if self.short_side < 16:
            raise ValueError(f"`short_side` is {self.short_side}; it must be at least 16")
        if self.num_workers < 0:
            raise ValueError(f"`num_workers` is {self.num_workers}; it must not be negative")
        if not 0 <= self.max_unreadable <= 1:
            raise ValueError(f"`max_unreadable` is {self.max_unreadable}; it must lie between 0 and 1")
        root, output = Path(self.dataset_root).resolve(), Path(self.output_dir).resolve()
        if root == output or root in output.parents or output in root.parents:
            raise ValueError(
                f"`output_dir` {output} and `dataset_root` {root} contain one another; name another folder"
            )


@dataclass
class CheckedVideo:
    """Row of the table. Sizes are as displayed, rotation is in degrees counter-clockwise, a reason names a failure.

    Frames that are not evenly spaced need their time stamps, see `Moments`. Such a video is copied unchanged.
    """

    video: str
    frames: int = 0
    fps: float = 0.0
    height: int = 0
    width: int = 0
    rotation: int = 0
    evenly_spaced: bool = True
    reason: str = ""

    def size(self, short_side: int) -> list[int]:
        """Return height and width of the prepared frames: even, and never larger than the original."""
        scale = min(1.0, short_side / min(self.height, self.width))
        return [max(2, 2 * round(side * scale / 2)) for side in (self.height, self.width)]


def prepare(config: PrepareConfig) -> list[CheckedVideo]:
    """Decode every video of a folder, and copy the videos in their prepared form.

    The copies keep their names, and lists (.txt, .csv) are copied, so the copy is loaded with the arguments of the
    original and another `root`. Copies of unchanged videos from an earlier, interrupted call are kept. Unreadable
    videos have no copy.

    Returns:
        The rows of the table, one per video.

    Raises:
        ValueError: there is no video, too many are unreadable, or the disk is too small for the copies.
    """
    root, output = Path(config.dataset_root), Path(config.output_dir)
    if not root.is_dir():
        raise ValueError(f"`dataset_root` {root} is not a folder; give the folder of the videos")
    names = videos_below(root)
    rows = _in_parallel(partial(_probe, root), names, config.num_workers, "opened")
    if not config.check_only:
        _check_space(rows, config)
    output.mkdir(parents=True, exist_ok=True)
    target = None if config.check_only else output
    rows = _in_parallel(partial(_decode, root, target, config.short_side), rows, config.num_workers, "decoded")
    text = io.StringIO()
    table = csv.DictWriter(text, list(asdict(rows[0])))
    table.writeheader()
    table.writerows(map(asdict, rows))
    write_whole(output / TABLE, text.getvalue())
    if target is not None:
        for file in root.rglob("*"):
            if file.suffix.lower() in LISTS and file.is_file():
                (output / file.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, output / file.relative_to(root))
    _summarise(rows, config, output / TABLE)
    return rows


class _Rows(Dataset[CheckedVideo]):
    """Rows that workers compute, one per item."""

    def __init__(self, compute: Callable[[Any], CheckedVideo], items: Sequence[Any]) -> None:
        self.compute, self.items = compute, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> CheckedVideo:
        return self.compute(self.items[index])


def _in_parallel(
    compute: Callable[[Any], CheckedVideo], items: Sequence[Any], workers: int, done: str
) -> list[CheckedVideo]:
    loader = DataLoader(_Rows(compute, items), batch_size=None, num_workers=workers)
    return list(tqdm(loader, desc=f"videos {done}", total=len(items)))


def _probe(root: Path, name: str) -> CheckedVideo:
    """Count the packets of a video and decode its first frame."""
    row = CheckedVideo(name)
    try:
        with VideoReader(root / name) as reader:
            row.height, row.width = reader.read([0]).shape[-2:]
            row.frames, row.fps = reader.num_frames, reader.fps
        with VideoReader(root / name, target_fps=1.0) as reader:  # any rate
            row.evenly_spaced = not reader.by_time
        container, stream = open_video_stream(root / name, MAX_PIXELS)
        with container, suppress(av.FFmpegError, StopIteration):
            row.rotation = next(container.decode(stream)).rotation
    except VideoDecodingError as error:
        row.reason = error.reason
    return row


def _decode(root: Path, target: Path | None, short_side: int, row: CheckedVideo) -> CheckedVideo:
    """Decode all frames of a video, and write the prepared copy if there is a target folder."""
    if row.reason:
        return row
    source = root / row.video
    try:
        if target is not None and _is_done(source, target / row.video, row, short_side):
            done = Trailer.of(target / row.video)
            row.frames = done.num_frames if done is not None else row.frames
            return row
        with VideoReader(source) as reader:
            if target is not None and row.evenly_spaced:
                size = row.size(short_side)
                (target / row.video).parent.mkdir(parents=True, exist_ok=True)
                groups = _groups(reader, partial(F.resize, size=size, antialias=True))
                row.frames = write_prepared(target / row.video, groups, size, reader.fps, source.stat())
                return row
            row.frames = sum(len(group) for group in _groups(reader, lambda frames: frames[:, :, :1, :1]))
        if target is not None:
            (target / row.video).parent.mkdir(parents=True, exist_ok=True)
            with whole_file(target / row.video) as unfinished:
                shutil.copy2(source, unfinished)
    except VideoDecodingError as error:
        row.reason = error.reason
    return row


def _is_done(source: Path, file: Path, row: CheckedVideo, short_side: int) -> bool:
    """Check for a copy of the source as it is now."""
    about, done = source.stat(), Trailer.of(file)
    if row.evenly_spaced:
        expected = (*row.size(short_side), about.st_size, about.st_mtime_ns)
        return done is not None and done[1:3] + done[4:6] == expected
    with suppress(OSError):
        there = file.stat()
        return (there.st_size, there.st_mtime_ns) == (about.st_size, about.st_mtime_ns)
    return False


def _groups(reader: VideoReader, transform: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
    """Yield all frames in order; a reader that finds fewer frames than packets would repeat from the first."""
    start = 0
    while start < reader.num_frames:
        group = reader.read(range(start, min(start + FRAMES_AT_ONCE, reader.num_frames)), transform)
        yield group[: reader.num_frames - start]
        start += FRAMES_AT_ONCE


def _check_space(rows: list[CheckedVideo], config: PrepareConfig) -> None:
    """Log the size of the copies, and refuse a disk that is too small for the missing ones."""
    root, output = Path(config.dataset_root), Path(config.output_dir).absolute()
    total = missing = 0
    for row in rows:
        if not row.reason:
            source, pixels = root / row.video, math.prod(row.size(config.short_side))
            size = 3 * row.frames * pixels if row.evenly_spaced else source.stat().st_size
            total += size
            missing += 0 if _is_done(source, output / row.video, row, config.short_side) else size
    folder = next(folder for folder in (output, *output.parents) if folder.is_dir())
    free = shutil.disk_usage(folder).free
    logger.info("The prepared videos take %.1f GB, %.1f GB of which are missing", total / 1e9, missing / 1e9)
    if missing > free:
        raise ValueError(
            f"the prepared videos need {missing / 1e9:.1f} GB, but {folder} has {free / 1e9:.1f} GB free; lower "
            "`short_side` or give another `output_dir`"
        )


def _summarise(rows: list[CheckedVideo], config: PrepareConfig, table: Path) -> None:
    good, bad = [row for row in rows if not row.reason], [row for row in rows if row.reason]
    for row in bad:
        logger.warning("%s: %s", row.video, row.reason)
    if good:
        sides = Counter(f"{row.width}×{row.height}" for row in good)
        logger.info(
            "%d videos with %d to %d frames at %.4g to %.4g frames per second; sizes %s; %d are rotated for display",
            len(good),
            *(function(row.frames for row in good) for function in (min, max)),
            *(function(row.fps for row in good) for function in (min, max)),
            ", ".join(f"{size} ({number})" for size, number in sides.most_common(5)),
            sum(bool(row.rotation) for row in good),
        )
    if uneven := sum(not row.evenly_spaced for row in good):
        logger.info(
            "%d videos have frames that are not evenly spaced; their copies are unchanged, as prepared videos keep no "
            "time stamps",
            uneven,
        )
    logger.info("The table of all videos is %s", table)
    if len(bad) > config.max_unreadable * len(rows):
        raise ValueError(f"{len(bad)} of {len(rows)} videos can't be decoded; see {table}, or raise `max_unreadable`")
