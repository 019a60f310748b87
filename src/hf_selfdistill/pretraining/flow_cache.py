"""Optical flow of videos, kept on disk."""

from __future__ import annotations

import gzip
import hashlib
import os
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.pretraining.optical_flow import FLOW_SIZE, dense_flow

__all__ = ["FlowCache"]

SEGMENT = 32  # flow frames per file: bounds memory, and what one clip of a long video costs


class FlowCache:
    """Flow from each frame of a video to the next, computed once.

    `<folder>/<video>/<segment>.gz` holds 32 frames of flow. `<video>` depends on the file's path, time of change and
    size, the method and the size of flow; so a changed file is another video. What is computed is written whole or not
    at all; several workers, processes and machines may share a folder. A file that can't be read or is not whole is
    computed anew. Nothing is ever removed: delete the folder to start afresh.

    Args:
        folder: made if missing.
        method: see `dense_flow`.

    Raises:
        OSError: the folder can't be made.
    """

    def __init__(self, folder: str | Path, method: str) -> None:
        self.folder = Path(folder)
        self.method = method
        self.folder.mkdir(parents=True, exist_ok=True)

    def read(self, reader: VideoReader, video: str, positions: Sequence[int]) -> Tensor:
        """Flow from the frames at `positions` to the next ones.

        Args:
            reader: of the video; used only for what is not in the folder.
            video: the file's path.
            positions: of frames, none of them the video's last.

        Returns:
            `(len(positions), 2, *FLOW_SIZE)` uint8, see `dense_flow`.
        """
        folder = self.folder / self._key(video)
        last = max(positions)
        segments = {
            number: self._segment(folder / f"{number}.gz", reader, number, min(last - number * SEGMENT, SEGMENT - 1))
            for number in {position // SEGMENT for position in positions}
        }
        flow = np.stack([segments[position // SEGMENT][position % SEGMENT] for position in positions])
        return torch.from_numpy(flow)

    def _key(self, video: str) -> str:
        about = os.stat(video)
        key = (os.path.abspath(video), about.st_mtime_ns, about.st_size, self.method, FLOW_SIZE)
        return hashlib.sha256(repr(key).encode()).hexdigest()[:32]

    def _segment(self, file: Path, reader: VideoReader, number: int, last: int) -> np.ndarray:
        """One segment `(flow frames, 2, h, w)`, with at least the frame at `last`."""
        try:
            flow = np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8).reshape(-1, 2, *FLOW_SIZE)
            if len(flow) > last:
                return flow
        except (OSError, EOFError, zlib.error, ValueError):
            pass  # missing or damaged
        flow = self._compute(reader, number)
        _write(file, flow)
        return flow

    def _compute(self, reader: VideoReader, number: int) -> np.ndarray:
        first = number * SEGMENT
        frames = reader.read(range(first, min(first + SEGMENT + 1, reader.num_frames)))
        frames = frames[: reader.num_frames - first]  # reading may have found fewer, and begun again
        return dense_flow(frames[:-1], frames[1:], self.method).numpy()


def _write(file: Path, flow: np.ndarray) -> None:
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_suffix(f".{uuid.uuid4().hex}")  # unlike a process number, also unique among machines
    try:
        unfinished.write_bytes(gzip.compress(flow.tobytes(), 6))
        unfinished.replace(file)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OSError(
            error.errno, f"flow can't be kept, {error.strerror}; make room or leave flow_cache out", str(file)
        ) from error
