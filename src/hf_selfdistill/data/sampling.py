"""Choice of the frames of a clip: pure index arithmetic, as in RSPNet's released code.

All functions return frame indices in `[0, num_frames)`. A video shorter than the clip repeats cyclically. A clip of
`clip_length` frames at a `stride` of s takes the frames nearest to `start + i·s`. With a fractional s, clips have
another frame rate than the video.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

__all__ = [
    "ClipSampler",
    "center_clip",
    "evenly_centred_clips",
    "evenly_spaced_clips",
    "random_clip",
]


def random_clip(num_frames: int, clip_length: int, stride: float = 1) -> list[int]:
    """Return a window at a uniformly random start, drawn from torch's global generator."""
    starts = _last_start(num_frames, clip_length, stride) + 1
    return _window(int(torch.randint(starts, ())), num_frames, clip_length, stride)


def center_clip(num_frames: int, clip_length: int, stride: float = 1) -> list[int]:
    """Return the window in the middle, starting at `(num_frames − span) // 2`."""
    return _window(_last_start(num_frames, clip_length, stride) // 2, num_frames, clip_length, stride)


def evenly_spaced_clips(num_frames: int, clip_length: int, num_clips: int, stride: float = 1) -> list[list[int]]:
    """Return `num_clips` windows that start at `round(linspace(0, num_frames − span, num_clips))`, halves to even."""
    starts = np.linspace(0, _last_start(num_frames, clip_length, stride), num_clips).round().astype(int)
    return [_window(int(start), num_frames, clip_length, stride) for start in starts]


def evenly_centred_clips(num_frames: int, clip_length: int, num_clips: int, stride: float = 1) -> list[list[int]]:
    """Return `num_clips` windows around `linspace(span / 2, num_frames − span / 2, num_clips)`, as VCOP retrieves.

    Starts are truncated to whole frames; `evenly_spaced_clips` rounds them.
    """
    last = _last_start(num_frames, clip_length, stride)
    half = (num_frames - last) / 2
    starts = (np.linspace(half, num_frames - half, num_clips) - half).astype(int)
    return [_window(int(start), num_frames, clip_length, stride) for start in starts]


@dataclass(frozen=True)
class ClipSampler:
    """Sampler of the clips of a video: a function from its number of frames and frame rate to each clip's indices.

    Args:
        num_clips: number of evenly spaced clips per video for testing (1 is the centre); None draws one random clip,
            for training.
        clip_length: number of frames per clip.
        frame_stride: n, to take every n-th frame.
        target_fps: frame rate of the clips, independent of the video's (a video of 30 fps drawn at 15 gives every
            other frame); None takes the video's frame rate. Give it to the `VideoReader`, too.
        spread: function that places several clips in a video.

    Raises:
        ValueError: a number is not positive.
    """

    num_clips: int | None
    clip_length: int
    frame_stride: int = 1
    target_fps: float | None = None
    spread: Callable[[int, int, int, float], list[list[int]]] = evenly_spaced_clips

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("num_clips", "clip_length", "frame_stride"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` is {value}; it must be at least 1")
        if self.target_fps is not None and not self.target_fps > 0:
            raise ValueError(f"`target_fps` is {self.target_fps}; it must be positive")

    def __call__(self, num_frames: int, fps: float) -> list[list[int]]:
        """Return the indices of the frames of each clip."""
        stride = self.frame_stride if self.target_fps is None else self.frame_stride * fps / self.target_fps
        if self.num_clips is None:
            return [random_clip(num_frames, self.clip_length, stride)]
        if self.num_clips == 1:
            return [center_clip(num_frames, self.clip_length, stride)]
        return self.spread(num_frames, self.clip_length, self.num_clips, stride)


def _last_start(num_frames: int, clip_length: int, stride: float) -> int:
    return max(num_frames - 1 - _offset(clip_length - 1, stride), 0)


def _window(start: int, num_frames: int, clip_length: int, stride: float) -> list[int]:
    return [(start + _offset(i, stride)) % num_frames for i in range(clip_length)]


def _offset(i: int, stride: float) -> int:
    return math.floor(i * stride + 0.5)  # the nearest frame: `target_fps` 30 keeps every frame of a 29.97 fps video
