"""Frames by time, for videos whose frames are not evenly spaced: live streams, screen recordings, GIFs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Moments"]


class Moments(NamedTuple):
    """Evenly spaced moments of a video, and the frames that are on display at them.

    Args:
        first: for each frame the moment from which it is on display, ascending.
        number: number of moments.
        fps: moments per second.
    """

    first: np.ndarray
    number: int
    fps: float

    @classmethod
    def of(cls, times: Sequence[tuple[int | None, int]], tick: float, fps: float, target_fps: float) -> Moments | None:
        """Return the moments of a video, a multiple of `target_fps` per second and at least as many as it has frames.

        Moments are rounded as in FFmpeg's filter `fps`.

        Args:
            times: time stamp and duration of each frame in ticks, in any order; a duration of 0 is unknown.
            tick: seconds per tick.
            fps: average frames per second, according to the file.
            target_fps: frames per second of the clips.

        Returns:
            None if time stamps are missing or equal, or if each frame is within half a frame of its place at `fps`.
        """
        known = sorted((start, duration) for start, duration in times if start is not None)
        starts = np.array([start for start, _ in known]) * tick
        if len(known) < max(2, len(times)) or not np.diff(starts).all():
            return None
        starts -= starts[0]
        if abs(starts * fps - np.arange(len(starts))).max() <= 0.5:
            return None
        end = starts[-1] + (known[-1][1] * tick or starts[-1] / (len(starts) - 1))
        rate = target_fps * math.ceil(len(starts) / end / target_fps)
        half = 0.5 + 1e-6  # halves are rounded up, however they are computed
        return cls(np.floor(starts * rate + half), math.floor(end * rate + half), rate)

    def frames(self, moments: Sequence[int]) -> list[int]:
        """Return the frame on display at each moment, modulo `number`."""
        return (np.searchsorted(self.first, np.array(moments) % self.number, side="right") - 1).tolist()

    def cut(self, num_frames: int) -> Moments:
        """Return the same moments of a video that has only `num_frames` frames."""
        return self._replace(first=self.first[:num_frames])
