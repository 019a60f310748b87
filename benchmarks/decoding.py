"""`read_frames` against other decoders, for 16 consecutive frames from a random start.

    python benchmarks/decoding.py [FOLDER] [--num_videos 12]

Without a folder, the videos are generated. There is one table for each kind of file (extension and codec), of the
median CPU time over videos and rounds. A peer that fails on a video is named with the error, and left out of its kind.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from interleaved import measure, peer, print_machine, print_table

from hf_selfdistill.data.decoding import VideoReader, read_frames
from hf_selfdistill.data.moving_shapes import MOTIONS, write_moving_shapes

EXTENSIONS = {".avi", ".mp4", ".mov", ".mkv", ".webm"}
NUM_FRAMES = 16
BT2020_CONSTANT_LUMINANCE = 10  # FFmpeg refuses to convert it; matrix 9 is the nearest
Read = Callable[[Path, Sequence[int]], Any]


def decode_everything(path: Path, indices: Sequence[int]) -> np.ndarray:
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            matrix = 9 if frame.colorspace == BT2020_CONSTANT_LUMINANCE else None
            frames.append(frame.to_ndarray(format="rgb24", src_colorspace=matrix))
    return np.stack([frames[index % len(frames)] for index in indices])


def decode_up_to_the_last(path: Path, indices: Sequence[int]) -> np.ndarray:
    """Decode in the way of transformers' `read_video_pyav`: from the start to the last frame wanted."""
    with av.open(str(path)) as container:
        frames = itertools.islice(container.decode(video=0), indices[-1] + 1)
        return np.stack([frame.to_ndarray(format="rgb24") for i, frame in enumerate(frames) if i >= indices[0]])


def installed_peers() -> dict[str, Read]:
    readers: dict[str, Read] = {
        "the whole video": decode_everything,
        "transformers' read_video_pyav": decode_up_to_the_last,
    }
    torchcodec = peer("torchcodec.decoders")
    if torchcodec is not None:
        options = {"seek_mode": "exact", "num_ffmpeg_threads": 1}
        readers["torchcodec, exact"] = lambda path, indices: torchcodec.VideoDecoder(
            str(path), **options
        ).get_frames_at(list(indices))
    decord = peer("decord")
    if decord is not None:
        readers["decord"] = lambda path, indices: decord.VideoReader(str(path), num_threads=1).get_batch(list(indices))
    cv2 = peer("cv2")
    if cv2 is not None:
        cv2.setNumThreads(1)

        def opencv(path: Path, indices: Sequence[int]) -> np.ndarray:
            video = cv2.VideoCapture(str(path))
            video.set(cv2.CAP_PROP_POS_FRAMES, indices[0])
            return np.stack([video.read()[1][..., ::-1] for _ in indices])

        readers["OpenCV"] = opencv
    return readers


def find(folder: Path, num_videos: int) -> dict[str, list[tuple[Path, range]]]:
    """Return the windows to read, by kind of file."""
    draw = random.Random(0)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    kinds = defaultdict(list)
    for path in draw.sample(paths, min(num_videos, len(paths))):
        with av.open(str(path)) as container:
            kind = f"{path.suffix} {container.streams.video[0].codec_context.name}"
        with VideoReader(path) as reader:
            if reader.num_frames >= NUM_FRAMES:
                start = draw.randrange(reader.num_frames - NUM_FRAMES + 1)
                kinds[kind].append((path, range(start, start + NUM_FRAMES)))
    return kinds


def read_next(read: Read, windows: Iterator[tuple[Path, range]]) -> None:
    read(*next(windows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="folder with videos, with its subfolders")
    parser.add_argument("--num_videos", type=int, default=12, help="maximum number of videos, drawn at random")
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if args.folder is None:
            write_moving_shapes(name, MOTIONS[:4], videos_per_class=4, num_frames=96, size=160)
        kinds, peers = find(args.folder or Path(name), args.num_videos), installed_peers()
        print_machine("av")
        for kind, windows in kinds.items():
            readers: dict[str, Read] = {"read_frames": read_frames}
            for other, read in peers.items():
                try:
                    for window in windows:
                        read(*window)
                    readers[other] = read
                except Exception as error:  # each library has its own
                    print(f"- {other} fails on {kind}: {str(error).strip().splitlines()[0]}")
            subjects = {other: partial(read_next, read, itertools.cycle(windows)) for other, read in readers.items()}
            ms = measure(subjects, args.rounds * len(windows))
            rows = [("read_frames", ms["read_frames"], other, ms[other]) for other in list(readers)[1:]]
            print_table(f"{kind}, {len(windows)} videos", rows)


if __name__ == "__main__":
    main()
