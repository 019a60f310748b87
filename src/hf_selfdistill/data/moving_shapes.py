"""Embedded data set: real video files, written in seconds, of shapes whose classes differ by motion alone.

Each video shows one asymmetric shape in front of a textured background. The position, size and direction of the shape
have the same distribution for all classes and all frames, so a single frame does not reveal the class. The reversal in
time of every class is another class (`OPPOSITES`). A model that ignores the order of frames can at best recognise the
pair, from the trace of the motion.

Left and right, and the two senses of rotation, are different classes: train without horizontal flips.
"""

from __future__ import annotations

import csv
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from tqdm.auto import tqdm

from hf_selfdistill.data.shape_rendering import (
    FINETUNING_MOTIONS,
    MOTIONS,
    OPPOSITES,
    PRETRAINING_MOTIONS,
    ShapeLook,
    render_moving_shape,
)

__all__ = ["FINETUNING_MOTIONS", "LIST_NAME", "MOTIONS", "OPPOSITES", "PRETRAINING_MOTIONS", "write_moving_shapes"]

LIST_NAME = "moving_shapes.csv"
"""Name of the list of videos. The list is written last, so a folder with a list is complete."""

_TEST_SHARE = 4  # one group in four is in the test split
_CODECS = (
    # x264's macroblock tree is off, because it gives different bytes in each call.
    (".mp4", "libx264", {"preset": "veryfast", "crf": "18", "x264-params": "mbtree=0"}),
    (".avi", "mpeg4", {"qmin": "2", "qmax": "4"}),
)


def write_moving_shapes(
    root: str | Path,
    motions: tuple[str, ...] = MOTIONS,
    videos_per_class: int = 20,
    num_frames: int = 32,
    size: int = 64,
    seed: int = 0,
) -> Path:
    """Write `<motion>/v_<motion>_gXX_c01.{mp4,avi}` and their list, `moving_shapes.csv` (`video,label,group,split`).

    A group is one shape with its colours and background. It has one video of every class. The last quarter of the
    groups is the test split. Each video is H.264 in MP4 or MPEG-4 in AVI, at random. The same arguments give the same
    files, byte for byte.

    Args:
        root: folder to write to, made if missing.
        motions: the classes, some of `MOTIONS`.
        videos_per_class: number of videos of each class, equal to the number of groups.
        num_frames: length of a video, at 25 frames per second.
        size: side of the square frames, in pixels; even.
        seed: seed of all draws.

    Returns:
        Path of the list.

    Raises:
        ValueError: an argument is out of its range.
    """
    _check_arguments(motions, videos_per_class, num_frames, size)
    root = Path(root)
    list_file = root / LIST_NAME
    list_file.unlink(missing_ok=True)
    rows = []
    first_test_group = videos_per_class - max(1, videos_per_class // _TEST_SHARE)
    for group in tqdm(range(videos_per_class), desc=f"writing {root}", unit="group", disable=None):
        look = ShapeLook.draw(np.random.default_rng([seed, group]), size)
        for motion in motions:
            rng = np.random.default_rng([seed, group, 1 + MOTIONS.index(motion)])
            suffix, codec, options = _CODECS[rng.integers(len(_CODECS))]
            video = f"{motion}/v_{motion}_g{group + 1:02d}_c01{suffix}"
            _write_video(root / video, render_moving_shape(motion, look, num_frames, rng), codec, options)
            split = "train" if group < first_test_group else "test"
            rows.append({"video": video, "label": motion, "group": f"g{group + 1:02d}", "split": split})
    _write_list(list_file, rows)
    return list_file


def _check_arguments(motions: tuple[str, ...], videos_per_class: int, num_frames: int, size: int) -> None:
    if not motions or not set(motions) <= set(MOTIONS):
        raise ValueError(f"`motions` is {motions}; allowed are one or more of {', '.join(MOTIONS)}")
    if videos_per_class < 2:
        raise ValueError(
            f"`videos_per_class` is {videos_per_class}; it must be at least 2: one for training, one for test"
        )
    if num_frames < 1:
        raise ValueError(f"`num_frames` is {num_frames}; it must be at least 1")
    if size < 16 or size % 2:
        raise ValueError(f"`size` is {size}; the codecs need an even number of pixels, at least 16")


def _write_list(path: Path, rows: list[dict[str, str]]) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}")
    with unfinished.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    unfinished.replace(path)


def _write_video(path: Path, frames: np.ndarray, codec: str, options: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}{path.suffix}")
    with av.open(str(unfinished), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25), options={**options, "threads": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    unfinished.replace(path)
