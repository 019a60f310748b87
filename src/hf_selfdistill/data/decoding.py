"""Exact and cheap decoding of single frames of a video file, display-rotated, in RGB.

A frame's index is its position in the decoder's output. Time stamps are no substitute: in AVI files with B-frames,
real UCF101 clips among them, they are shifted or scrambled. So the packets of a file are counted once. For clips of a
given frame rate their times are looked at, too: see `Moments`. Decoding begins
at the last keyframe before the wanted frames and is checked: from that keyframe on each packet must give one frame. If
the check fails, or keyframes can't be counted or don't hold all state, decoding begins at the first frame.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence

import av
import numpy as np
import torch

from hf_selfdistill.data.containers import Video, VideoDecodingError, name_of, open_video_stream
from hf_selfdistill.data.decoder import Decoder
from hf_selfdistill.data.moments import Moments
from hf_selfdistill.data.packets import Keyframe, count_frames, is_seekable
from hf_selfdistill.data.rgb import RgbConverter

__all__ = ["Video", "VideoDecodingError", "VideoReader", "read_frames"]

MAX_PIXELS = 8192 * 4320  # 8K
MAX_BYTES = 3 * 2**28  # 8 frames of 7680x4320
MAX_SECONDS = 600.0
GROUP_BYTES = 2**26  # of frames that are transformed together: 16 frames of 1280x720 take less


class _Mistaken(Exception):
    """Signal to decode again: positions or number of frames proved wrong and were corrected."""


class VideoReader:
    """Reader of the frames of one video, opened once; a context manager.

    Pixels are as stored: not resized, not de-interlaced, not stretched to the sample aspect ratio, wide-gamut and HDR
    colours not mapped to a smaller gamut. Files without a YUV matrix in their header are read as BT.601, as in FFmpeg.

    Args:
        video: path of a regular file, the file's bytes, or a seekable binary file object (which stays open).
        max_pixels: height times width of a frame, at most; 8K by default.
        max_bytes: memory for the frames of one `read`, and for the frames that the decoder keeps, at most.
        max_seconds: time for counting the frames, and for one `read`, at most.
        target_fps: frames per second of the clips to be read; None ignores the frames' times. If the frames are not
            evenly spaced, indices are moments, a multiple of `target_fps` per second, and no longer frames.

    Attributes:
        num_frames (`int`): whole frames, counted in the file's packets, or moments. `read` lowers the number of
            frames if the decoder gives fewer.
        fps (`float`): average frames per second, or moments per second.
        by_time (`bool`): indices are moments.

    Raises:
        VideoDecodingError: the file is missing, empty, not a video, without a video stream, without its index, or
            exceeds one of the limits.
    """

    def __init__(
        self,
        video: Video,
        max_pixels: int = MAX_PIXELS,
        max_bytes: int = MAX_BYTES,
        max_seconds: float = MAX_SECONDS,
        target_fps: float | None = None,
    ) -> None:
        self._video, self._name = video, name_of(video)
        self._max_pixels, self._max_bytes, self._max_seconds = max_pixels, max_bytes, max_seconds
        self._deadline = time.monotonic() + max_seconds
        self._to_rgb = RgbConverter()
        self._open()
        try:
            times, self._keyframes = count_frames(self._packets(), self._container, self._stream)
            self.num_frames = len(times)
            rate = self._stream.average_rate or self._stream.guessed_rate
            if not self.num_frames or not rate:
                lacking = "frame rate" if self.num_frames else "whole frame"
                raise VideoDecodingError(self._name, f"it holds no {lacking}")
        except VideoDecodingError:
            self.close()
            raise
        self.fps = float(rate)
        self._moments = None
        if target_fps is not None:
            self._moments = Moments.of(times, float(self._stream.time_base or 0), self.fps, target_fps)
        self.by_time = self._moments is not None
        if self._moments is not None:
            self.num_frames, self.fps = self._moments.number, self._moments.fps

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a file object given by the caller stays open."""
        self._container.close()

    def read(
        self, indices: Sequence[int], transform: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Return the frames at `indices`, decoded in one pass.

        Args:
            indices: positions of frames (or moments), from 0, in any order; repetitions are allowed. Positions are
                taken modulo `num_frames`, so that a short video repeats.
            transform: function from a few frames `(t, 3, height, width)` to the tensor `(t, ...)` that is kept.

        Returns:
            Tensor of shape `(len(indices), 3, height, width)`, uint8 RGB, with the file's display rotation applied;
            channels-last in memory, the format that `torchvision` resizes fastest. With `transform`, its results.

        Raises:
            ValueError: `indices` is empty or holds a negative number.
            VideoDecodingError: no frame can be decoded, not all of them to RGB of one size, or one limit is exceeded.
        """
        indices = [int(index) for index in indices]
        if not indices or min(indices) < 0:
            raise ValueError(f"`indices` is {indices}; give one or more numbers, each at least 0")
        self._deadline = time.monotonic() + self._max_seconds
        while True:
            if self._moments is not None:
                positions = self._moments.frames(indices)
            else:
                positions = [index % self.num_frames for index in indices]
            wanted = set(positions)
            if self._moments is None and max(indices) >= self.num_frames:
                wanted.add(self.num_frames - 1)  # a repetition needs the exact length: decode to the end
            rows = {position: row for row, position in enumerate(sorted(wanted))}
            order = [rows[position] for position in positions]
            ascending = order == list(range(len(rows)))
            try:
                if transform is None:
                    (frames,) = self._grouped(sorted(wanted), len(rows) + (0 if ascending else len(order)))
                else:
                    parts = list(map(transform, self._grouped(sorted(wanted))))  # a loop would keep one more group
                    frames = parts[0] if len(parts) == 1 else torch.cat(parts)
            except _Mistaken:
                continue
            return frames if ascending else frames[order]

    def _open(self) -> None:
        self._container, self._stream = open_video_stream(self._video, self._max_pixels)
        self._decoder = Decoder(self._stream, self._name, self._max_bytes)
        self._seekable = is_seekable(self._container, self._stream)

    def _packets(self) -> Iterator[av.Packet[av.VideoStream]]:
        """Yield packets from the container's position; a last packet that is cut short would give half a picture."""
        damaged: av.Packet[av.VideoStream] | None = None
        with contextlib.suppress(av.FFmpegError):  # The file is cut off here, after the last whole packet.
            for packet in self._container.demux(self._stream):
                if time.monotonic() > self._deadline:
                    raise VideoDecodingError(self._name, f"it takes more than `max_seconds` {self._max_seconds:g}")
                if damaged is not None and packet.size:
                    yield damaged
                    damaged = None
                if packet.is_corrupt:
                    damaged = packet
                elif packet.size:
                    yield packet

    def _grouped(self, positions: list[int], copies: int = 0) -> Iterator[torch.Tensor]:
        """Yield the frames at ascending `positions` in order as `(t, 3, height, width)`, all at once with `copies`."""
        group, filled, left = np.empty(0), 0, len(positions)
        for image in self._images(positions):
            if left == len(positions) and not filled:
                if copies * image.nbytes > self._max_bytes:
                    reason = f"{copies} frames of {image.nbytes} bytes are more than `max_bytes` {self._max_bytes}"
                    raise VideoDecodingError(self._name, reason)
                shape, size = image.shape, left if copies else max(1, GROUP_BYTES // image.nbytes)
            if image.shape != shape:
                raise VideoDecodingError(self._name, "its frames differ in size")
            if not copies and size == 1:  # large frames are not copied
                group = np.ascontiguousarray(image)[None]
            else:
                if not filled:
                    group = np.empty((min(size, left), *shape), np.uint8)
                group[filled] = image
            del image
            filled += 1
            if filled == len(group):
                yield torch.from_numpy(group).permute(0, 3, 1, 2)
                left, filled, group = left - filled, 0, np.empty(0)

    def _images(self, positions: list[int]) -> Iterator[np.ndarray]:
        """Decode the images (H, W, 3) at ascending `positions`."""
        wanted, last = set(positions), positions[-1]
        keyframe = next(key for key in reversed(self._keyframes) if key.position <= positions[0])
        end = 0
        for position, frame in self._frames(keyframe, last):
            end = position + 1
            if position in wanted:
                try:
                    yield self._to_rgb(frame)
                except ValueError as error:
                    raise VideoDecodingError(self._name, str(error)) from None
            del frame
        if end == 0:
            reason = f"none of its frames can be decoded (`max_pixels` is {self._max_pixels})"
            raise VideoDecodingError(self._name, reason)
        if end <= last:
            if self._moments is None:
                self.num_frames = end
            else:
                self._moments = self._moments.cut(end)
            raise _Mistaken

    def _frames(self, keyframe: Keyframe, last: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield positions and frames from `keyframe` to at least `last`, then check the positions."""
        packets = self._packets_from(keyframe)
        position = due = keyframe.position
        packet: av.Packet[av.VideoStream] | None
        while True:
            packet = next(packets, None) if position <= last else None  # None flushes the decoder
            for frame in self._decoder.decode(packet):
                if position > keyframe.position or position == 0 or frame.key_frame:  # else shown before the keyframe
                    yield position, frame
                    position += 1
                del frame  # large frames fill the memory
            if packet is None:
                break
            due += not packet.is_discard and not keyframe.is_shown_after(packet)
        if position != due and keyframe.position > 0:
            del self._keyframes[1:]
            raise _Mistaken

    def _packets_from(self, keyframe: Keyframe) -> Iterator[av.Packet[av.VideoStream]]:
        for stamp in (keyframe.pts, keyframe.dts) if self._seekable else ():  # some formats seek by pts, others by dts
            with contextlib.suppress(av.FFmpegError):  # an AVI file cut off before its index can't seek
                self._container.seek(stamp or 0, stream=self._stream)
                packets = self._packets()
                first = next(packets, None)
                if first is not None and first.pos is not None and first.pos == keyframe.offset:
                    return itertools.chain([first], packets)
        if keyframe.position > 0:
            del self._keyframes[1:]
            raise _Mistaken
        self.close()
        self._open()
        return self._packets()


def read_frames(
    video: Video,
    indices: Sequence[int] | Callable[[int, float], Sequence[int]],
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> torch.Tensor:
    """Open a video, read the frames at `indices`, and close the video.

    Args:
        video: path of a regular file, the file's bytes, or a seekable binary file object.
        indices: positions of frames as in [`VideoReader.read`], or a function that returns them, called with the
            number of frames and the frames per second.
        max_pixels: height times width of a frame, at most; 8K by default.
        max_bytes: memory for the frames, and for the frames that the decoder keeps, at most.
        max_seconds: time for counting the frames, and for reading them, at most.

    Returns:
        Tensor of shape `(len(indices), 3, height, width)`, uint8 RGB.

    Raises:
        ValueError: `indices` is empty or holds a negative number.
        VideoDecodingError: the video can't be decoded or exceeds a limit.
    """
    with VideoReader(video, max_pixels, max_bytes, max_seconds) as reader:
        return reader.read(indices(reader.num_frames, reader.fps) if callable(indices) else indices)
