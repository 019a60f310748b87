"""Disk cache of the optical flow of videos."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.whole_files import write_whole
from hf_selfdistill.pretraining.optical_flow import FLOW_SIZE, dense_flow

__all__ = ["FlowCache"]

SEGMENT = 32  # flow frames per file; bounds memory and the cost of one clip of a long video


class FlowCache:
    """Disk cache of the flow from each frame of a video to the next frame.

    `<folder>/<video>/<segment>.gz` holds 32 frames of flow. `<video>` is a hash of the file's path, modification time
    and size, the method, the size of flow, and the rate of a video that is read by time. So a changed file counts as
    another video. Segments are written whole or not at all: several workers, processes and machines can share a
    folder. A damaged segment is computed again. Nothing is ever removed: delete the folder to start over.

    Args:
        folder: folder of the cache; it is created if missing.
        method: name of the flow algorithm, see `dense_flow`.

    Raises:
        OSError: the folder can't be created.
    """

    def __init__(self, folder: str | Path, method: str) -> None:
        self.folder = Path(folder)
        self.method = method
        self.folder.mkdir(parents=True, exist_ok=True)

    def read(self, reader: VideoReader, video: str, positions: Sequence[int], fps: float | None = None) -> Tensor:
        """Return the flow from each frame at `positions` to the video's next frame.

        Args:
            reader: reader of the video, used only for segments that are not in the folder.
            video: path of the video file.
            positions: indices of frames, without the video's last frame.
            fps: rate of a video that is read by time.

        Returns:
            `(len(positions), 2, *FLOW_SIZE)` uint8, see `dense_flow`.
        """
        folder = self.folder / self._key(video, fps)
        last = max(positions)
        segments = {
            number: self._segment(folder / f"{number}.gz", reader, number, min(last - number * SEGMENT, SEGMENT - 1))
            for number in {position // SEGMENT for position in positions}
        }
        flow = np.stack([segments[position // SEGMENT][position % SEGMENT] for position in positions])
        return torch.from_numpy(flow)

    def _key(self, video: str, fps: float | None) -> str:
        stat = os.stat(video)
        key: tuple[object, ...] = (os.path.abspath(video), stat.st_mtime_ns, stat.st_size, self.method, FLOW_SIZE)
        if fps is not None:
            key += (fps,)
        return hashlib.sha256(repr(key).encode()).hexdigest()[:32]

    def _segment(self, file: Path, reader: VideoReader, number: int, last: int) -> np.ndarray:
        """Return a segment `(flow frames, 2, h, w)` that contains the flow frame at `last`; compute it if missing."""
        try:
            flow = np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8).reshape(-1, 2, *FLOW_SIZE)
            if len(flow) > last:
                return flow
        except (OSError, EOFError, zlib.error, ValueError):
            pass  # missing or damaged
        flow = self._compute(reader, number)
        file.parent.mkdir(exist_ok=True)
        try:
            write_whole(file, gzip.compress(flow.tobytes(), 6))
        except OSError as error:
            reason = f"flow can't be saved ({error.strerror}); free some space or remove `flow_cache`"
            raise OSError(error.errno, reason, str(file)) from error
        return flow

    def _compute(self, reader: VideoReader, number: int) -> np.ndarray:
        first = number * SEGMENT
        frames = reader.read(range(first, min(first + SEGMENT + 1, reader.num_frames)))
        frames = frames[: reader.num_frames - first]  # while reading, the reader can find fewer frames and wrap around
        return dense_flow(frames[:-1], frames[1:], self.method).numpy()
