"""CPU time of `read_frames` for 16 consecutive frames, against decoding the whole video to RGB.

    python benchmarks/decoding.py FOLDER [--num_videos 12] [--rounds 9]

Both take turns on the same frames, from a random start. For each kind of file (extension and codec) the benchmark
prints the median time of each over videos and rounds, the median of their ratio, and the ratio of the summed times.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import torch

from hf_selfdistill.data.decoding import VideoReader, read_frames

EXTENSIONS = {".avi", ".mp4", ".mov", ".mkv", ".webm"}
NUM_FRAMES = 16
BT2020_CONSTANT_LUMINANCE = 10  # FFmpeg refuses to convert it; matrix 9 is the nearest


def decode_everything(path: Path, indices: Sequence[int]) -> torch.Tensor:
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            matrix = 9 if frame.colorspace == BT2020_CONSTANT_LUMINANCE else None
            frames.append(frame.to_ndarray(format="rgb24", src_colorspace=matrix))
    return torch.from_numpy(np.stack([frames[index % len(frames)] for index in indices])).permute(0, 3, 1, 2)


def cpu_ms(read: Callable[[Path, Sequence[int]], torch.Tensor], path: Path, indices: Sequence[int]) -> float:
    start = time.process_time()
    read(path, indices)
    return 1e3 * (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with videos, with its subfolders")
    parser.add_argument("--num_videos", type=int, default=12, help="maximum number of videos, drawn at random")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    draw = random.Random(0)
    paths = sorted(path for path in arguments.folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    if not paths:
        parser.error(f"no video in {arguments.folder}")
    paths = draw.sample(paths, min(arguments.num_videos, len(paths)))

    times = defaultdict(list)  # kind of file -> pairs of ms
    for _ in range(arguments.rounds):
        for path in paths:
            with av.open(str(path)) as container:
                kind = f"{path.suffix} {container.streams.video[0].codec_context.name}"
            with VideoReader(path) as reader:
                start = draw.randrange(max(1, reader.num_frames - NUM_FRAMES + 1))
            indices = range(start, start + NUM_FRAMES)
            times[kind].append((cpu_ms(read_frames, path, indices), cpu_ms(decode_everything, path, indices)))

    if len(times) > 1:
        times["all"] = [pair for pairs in times.values() for pair in pairs]
    print(f"{'kind of file':16}{'read_frames':>14}{'everything':>14}{'median ratio':>14}{'ratio of sums':>15}")
    for kind, pairs in times.items():
        ours, everything = zip(*pairs, strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        medians = f"{statistics.median(ours):11.1f} ms{statistics.median(everything):11.1f} ms"
        print(f"{kind:16}{medians}{ratio:14.2f}{sum(ours) / sum(everything):15.2f}")


if __name__ == "__main__":
    main()
