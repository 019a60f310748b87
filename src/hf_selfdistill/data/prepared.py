"""Videos prepared for training: uncompressed frames in a MOV file, which the reader maps into memory.

Other programs read the files, too. Coded forms (short-GOP and intra-only H.264 and MPEG-4, MJPEG) of the same size in
pixels are 12 to 170 times smaller, but take 0.4 to 2.2 of the original's time (`docs/own_videos.md`).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import torch
from typing_extensions import Self

from hf_selfdistill.data.decoding import Video, VideoReader
from hf_selfdistill.data.whole_files import whole_file

__all__ = ["PreparedReader", "Trailer", "open_video", "write_prepared"]

_MARK = b"hf_selfdistill 1"
_TRAILER = struct.Struct("<16s6Qd")
_ATOM = struct.pack(">I4s", 8 + _TRAILER.size, b"free")  # players skip an atom of this kind


class Trailer(NamedTuple):
    """Content of the last atom of a prepared file.

    Args:
        num_frames: number of frames.
        height: height of the frames in pixels.
        width: width of the frames in pixels.
        start: position of the first frame in the file, in bytes.
        source_size: size of the original file in bytes.
        source_time: time of the original file's last change, in nanoseconds.
        fps: average frames per second.
    """

    num_frames: int
    height: int
    width: int
    start: int
    source_size: int
    source_time: int
    fps: float

    @classmethod
    def of(cls, file: str | os.PathLike[str]) -> Self | None:
        """Return the trailer of a file; None if the file is no whole prepared video."""
        with suppress(OSError, ValueError), open(file, "rb") as stream:
            stream.seek(-len(_ATOM) - _TRAILER.size, os.SEEK_END)
            atom = stream.read()
            mark, *values = _TRAILER.unpack(atom[len(_ATOM) :])
            if atom.startswith(_ATOM) and mark == _MARK:
                return cls(*values)
        return None


class PreparedReader(VideoReader):
    """Reader of a prepared video, with the attributes and the frames of a `VideoReader`.

    Args:
        file: the prepared video.
        trailer: its trailer.
    """

    def __init__(self, file: str | os.PathLike[str], trailer: Trailer) -> None:
        shape = (trailer.num_frames, trailer.height, trailer.width, 3)
        self._frames_in_file = np.memmap(file, np.uint8, "r", trailer.start, shape)
        self.num_frames, self.fps = trailer.num_frames, trailer.fps

    def close(self) -> None:
        """Release the file."""
        del self._frames_in_file

    def read(
        self, indices: Sequence[int], transform: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Return the frames at `indices`; see `VideoReader.read`."""
        if not len(indices) or min(indices) < 0:
            raise ValueError(f"`indices` is {list(indices)}; give one or more numbers, each at least 0")
        frames = torch.from_numpy(self._frames_in_file[[int(index) % self.num_frames for index in indices]])
        return frames.permute(0, 3, 1, 2) if transform is None else transform(frames.permute(0, 3, 1, 2))


def open_video(video: Video, **limits: Any) -> VideoReader:
    """Return the reader of a video, prepared or not.

    Args:
        video: the video, as `VideoReader` takes it.
        limits: further arguments of `VideoReader`.

    Raises:
        VideoDecodingError: the video can't be read.
    """
    if isinstance(video, str | os.PathLike) and (trailer := Trailer.of(video)) is not None:
        return PreparedReader(video, trailer)
    return VideoReader(video, **limits)


def write_prepared(
    file: Path, groups: Iterable[torch.Tensor], size: Sequence[int], fps: float, source: os.stat_result
) -> int:
    """Write a prepared video beside its name, read it again, and move it into place.

    Args:
        file: file to write.
        groups: frames `(t, 3, H, W)` uint8, in groups.
        size: H and W; W must be even.
        fps: frames per second.
        source: size and time of the original file.

    Returns:
        The number of frames.

    Raises:
        OSError: the file does not hold the frames that were written.
    """
    checksum = count = 0
    with whole_file(file) as unfinished:
        with av.open(str(unfinished), "w", format="mov") as container:
            stream = container.add_stream("rawvideo", rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width, stream.pix_fmt = *size, "rgb24"
            for group in groups:
                for image in group.permute(0, 2, 3, 1).contiguous().numpy():
                    checksum = zlib.crc32(image.data, checksum)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
                    count += 1
            container.mux(stream.encode())
        with av.open(str(unfinished)) as container:
            start = next(container.demux(video=0)).pos or 0
        trailer = Trailer(count, size[0], size[1], start, source.st_size, source.st_mtime_ns, fps)
        with unfinished.open("ab") as end:
            end.write(_ATOM + _TRAILER.pack(_MARK, *trailer))
        reader = PreparedReader(unfinished, trailer)
        if zlib.crc32(reader._frames_in_file.data) != checksum:
            raise OSError(f"{unfinished} does not hold the frames that were written; check the disk")
    return count
