"""Exact and cheap decoding of single frames of a video file, display-rotated, in RGB.

A frame's index is its position in the decoder's output. Time stamps are no substitute: in AVI files with B-frames,
real UCF101 clips among them, they are shifted or scrambled. So the packets of a file are counted once. Decoding begins
at the last keyframe before the wanted frames and is checked: from that keyframe on each packet must give one frame. If
the check fails, or the position of a keyframe can't be counted, decoding begins at the first frame.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

import av
import numpy as np
import torch
from av.buffer import Buffer
from av.stream import Disposition
from av.video.reformatter import Colorspace, VideoReformatter

__all__ = ["Video", "VideoDecodingError", "VideoReader", "read_frames"]

Video = str | os.PathLike[str] | bytes | BinaryIO

# Codecs with one frame per packet, and the smallest size in bytes of such a packet: a shorter MPEG-4 packet only means
# "no change", and the decoder can skip it. In other codecs a packet can be one field, or a picture never shown.
_FRAME_BYTES = {"mpeg4": 16, "h264": 1, "hevc": 1, "mjpeg": 1}
# AVCOL_SPC_BT2020_CL. FFmpeg can't convert it, but phones put this tag on videos that are coded as BT2020_NCL.
_BT2020_CONSTANT_LUMINANCE = 10


class VideoDecodingError(ValueError):
    """Error for a video that can't be decoded; the message is `<file>: <reason>`.

    Args:
        video: path of the file, `<bytes>` or `<file object>`; the whole text of an error that a `DataLoader` rebuilt.
        reason: one line of plain English.
    """

    def __init__(self, video: str, reason: str = "") -> None:
        super().__init__(video, reason)  # both arguments, so that pickling keeps both
        self.video = video
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.video}: {self.reason}" if self.reason else self.video


class _PositionsUnknown(Exception):
    """Error for a decoding from a keyframe that did not give one frame per packet."""


class _Keyframe(NamedTuple):
    position: int  # in the decoder's output
    pts: int | None  # presentation time stamp, in units of the stream's time base
    dts: int | None  # decoding time stamp
    offset: int | None  # of the packet in the file; identifies the packet after a seek

    def is_shown_after(self, packet: av.Packet) -> bool:  # true for a B-frame that follows the keyframe in the file
        return self.pts is not None and packet.pts is not None and packet.pts < self.pts


class VideoReader:
    """Reader of the frames of one video, opened once; a context manager.

    Pixels are as stored: not resized, not de-interlaced, not stretched to the sample aspect ratio, wide-gamut and HDR
    colours not mapped to a smaller gamut. Files without a YUV matrix in their header are read as BT.601, as in FFmpeg.

    Args:
        video: path, content of a file as bytes, or seekable binary file object. A file object stays open.

    Attributes:
        num_frames (`int`): whole frames, counted in the file's packets. `read` lowers it if the decoder gives fewer.
        fps (`float`): average frames per second.
        frame_pixels (`int`): height times width of a frame.

    Raises:
        VideoDecodingError: the file is missing, empty, not a video, without a video stream, or without its index.
    """

    def __init__(self, video: Video) -> None:
        self._source: str | BinaryIO
        if isinstance(video, bytes):
            self._name, self._source = "<bytes>", io.BytesIO(video)
        elif isinstance(video, str | os.PathLike):
            # The path is made absolute, because FFmpeg reads a bare "a:b.mp4" as address b.mp4 of a protocol "a".
            self._name, self._source = os.fspath(video), os.path.abspath(video)
        else:
            self._name, self._source = "<file object>", video
        self._reformatter = VideoReformatter()
        self._open()
        self.num_frames, self._keyframes = self._count()
        rate = self._stream.average_rate or self._stream.guessed_rate
        if not self.num_frames or not rate:
            self.close()
            raise VideoDecodingError(self._name, f"it holds no {'frame rate' if self.num_frames else 'whole frame'}")
        self.fps, self.frame_pixels = float(rate), self._stream.height * self._stream.width

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a file object given by the caller stays open."""
        self._container.close()

    def read(self, indices: Sequence[int]) -> torch.Tensor:
        """Return the frames at `indices`, decoded in one pass.

        Args:
            indices: positions of frames, from 0, in any order; repetitions are allowed. Positions are taken modulo
                `num_frames`, so that a short video repeats.

        Returns:
            Tensor of shape `(len(indices), 3, height, width)`, uint8 RGB, with the file's display rotation applied;
            channels-last in memory, the format that `torchvision` resizes fastest.

        Raises:
            ValueError: `indices` is empty or holds a negative number.
            VideoDecodingError: no frame can be decoded, or not all of them to RGB of one size.
        """
        indices = [int(index) for index in indices]
        if not indices or min(indices) < 0:
            raise ValueError(f"`indices` is {indices}; give one or more numbers, each at least 0")
        clip = None
        while clip is None:
            wanted = {index % self.num_frames for index in indices}
            if max(indices) >= self.num_frames:
                wanted.add(self.num_frames - 1)  # a repetition needs the exact length: decode to the end
            rows = {position: row for row, position in enumerate(sorted(wanted))}
            clip = self._decode_clip(rows)
        order = [rows[index % self.num_frames] for index in indices]
        frames = torch.from_numpy(clip).permute(0, 3, 1, 2)
        return frames if order == list(range(len(frames))) else frames[order]

    def _open(self) -> None:
        try:
            if not isinstance(self._source, str):
                self._source.seek(0)
            self._container = av.open(self._source, "r", metadata_errors="replace")
        except (av.InvalidDataError, av.EOFError):
            source = self._source
            size = os.path.getsize(source) if isinstance(source, str) else source.seek(0, os.SEEK_END)
            reason = "it is not a video, or it is damaged or cut off before its index" if size else "it is empty"
            raise VideoDecodingError(self._name, reason) from None
        except av.FFmpegError as error:
            raise VideoDecodingError(self._name, f"it can't be opened ({error.strerror})") from None
        # The cover art of an audio file is also a video stream.
        streams = [s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams or streams[0].codec_context is None:
            self.close()
            raise VideoDecodingError(self._name, f"it has {'an unknown codec' if streams else 'no video stream'}")
        self._stream = streams[0]
        # One thread costs the least CPU time, and closing a file while several threads decode can hang.
        self._stream.thread_count = 1
        self._stream.thread_type = "NONE"

    def _count(self) -> tuple[int, list[_Keyframe]]:
        """Count the frames and find the keyframes; the first one is the beginning of the video."""
        count = 0
        keyframes: list[_Keyframe] = []
        countable = True  # as long as each packet so far gives exactly one frame
        frame_bytes = _FRAME_BYTES.get(self._stream.codec_context.name, math.inf)
        for packet in self._packets():
            kept = not packet.is_discard  # an edit list discards it: it is decoded, but not output
            if not keyframes:
                keyframes.append(_Keyframe(0, packet.pts, packet.dts, packet.pos))
                countable = packet.is_keyframe
            elif keyframes[-1].is_shown_after(packet):
                keyframes[-1] = keyframes[-1]._replace(position=keyframes[-1].position + kept)
            elif packet.is_keyframe and countable and kept and count:
                keyframes.append(_Keyframe(count, packet.pts, packet.dts, packet.pos))
            countable = countable and packet.size >= frame_bytes
            count += kept
        if count and keyframes[0].position > 0:
            # The first frames refer to frames that are not in the file. The decoder can skip them: no count is valid.
            keyframes = [keyframes[0]._replace(position=0)]
        return count, keyframes

    def _packets(self) -> Iterator[av.Packet[av.VideoStream]]:
        """Yield whole packets from the container's position; a packet that is cut short would give half a picture."""
        try:
            for packet in self._container.demux(self._stream):
                if packet.size and not packet.is_corrupt:
                    yield packet
        except av.FFmpegError:
            return  # The file is cut off here, after the last whole packet.

    def _decode_clip(self, rows: dict[int, int]) -> np.ndarray | None:
        """Decode the frame at each position in `rows` into that row of an array (T, H, W, C).

        Returns:
            The array; None, to try again, if the keyframes or the number of frames proved wrong and were corrected.
        """
        first, last = min(rows), max(rows)
        keyframe = next(key for key in reversed(self._keyframes) if key.position <= first)
        clip, end = None, 0
        try:
            for position, frame in self._frames(keyframe, last):
                end = position + 1
                if position in rows:
                    image = self._to_rgb(frame)
                    clip = np.empty((len(rows), *image.shape), np.uint8) if clip is None else clip
                    if image.shape != clip.shape[1:]:
                        raise VideoDecodingError(self._name, "its frames differ in size")
                    clip[rows[position]] = image
        except _PositionsUnknown:
            del self._keyframes[1:]
            return None
        if end == 0:
            raise VideoDecodingError(self._name, "none of its frames can be decoded")
        if end > last:
            return clip
        self.num_frames = end
        return None

    def _frames(self, keyframe: _Keyframe, last: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield positions and frames from `keyframe` to at least `last`, then check the positions."""
        packets = self._packets_from(keyframe)
        position = due = keyframe.position
        packet: av.Packet[av.VideoStream] | None
        while True:
            packet = next(packets, None) if position <= last else None  # None flushes the decoder
            for frame in self._decode(packet):
                if position == keyframe.position > 0 and not frame.key_frame:
                    continue  # shown before the keyframe
                yield position, frame
                position += 1
            if packet is None:
                break
            due += not packet.is_discard and not keyframe.is_shown_after(packet)
        if position != due and keyframe.position > 0:
            raise _PositionsUnknown

    def _packets_from(self, keyframe: _Keyframe) -> Iterator[av.Packet[av.VideoStream]]:
        for time in (keyframe.pts, keyframe.dts):  # some formats seek by pts, others by dts
            with contextlib.suppress(av.FFmpegError):  # an AVI file cut off before its index can't seek
                self._container.seek(time or 0, stream=self._stream)
                packets = self._packets()
                first = next(packets, None)
                if first is not None and first.pos is not None and first.pos == keyframe.offset:
                    return itertools.chain([first], packets)
        if keyframe.position > 0:
            raise _PositionsUnknown
        self.close()
        self._open()
        return self._packets()

    def _decode(self, packet: av.Packet[av.VideoStream] | None) -> list[av.VideoFrame]:
        try:
            return self._stream.decode(packet)
        except av.FFmpegError:
            return []  # A damaged packet gives no frame; the next packets can be whole.

    def _to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        matrix = Colorspace.BT2020 if frame.colorspace == _BT2020_CONSTANT_LUMINANCE else None
        try:
            rgb = self._reformatter.reformat(frame, format="rgb24", src_colorspace=matrix, threads=1)
        except av.FFmpegError:
            pixels = f"{frame.format.name} in colour space {frame.colorspace}"
            raise VideoDecodingError(self._name, f"its pixels ({pixels}) can't be converted to RGB") from None
        image = rgb.to_ndarray()  # (H, W, C)
        display_matrix = frame.side_data.get("DISPLAYMATRIX")
        return _upright(image, bytes(display_matrix)) if isinstance(display_matrix, Buffer) else image


def _upright(image: np.ndarray, display_matrix: bytes) -> np.ndarray:
    """Rotate and mirror an image (H, W, C) by FFmpeg's 3x3 matrix, x' = xx·x + yx·y and y' = xy·x + yy·y."""
    xx, xy, _, yx, yy = struct.unpack_from("=5i", display_matrix)
    if abs(xy) > abs(xx):
        image, xx, yy = image.swapaxes(0, 1), yx, xy
    return image[:: -1 if yy < 0 else 1, :: -1 if xx < 0 else 1]


def read_frames(video: Video, indices: Sequence[int] | Callable[[int, float], Sequence[int]]) -> torch.Tensor:
    """Open a video, read the frames at `indices`, and close the video.

    Args:
        video: path, content of a file as bytes, or seekable binary file object.
        indices: positions of frames as in [`VideoReader.read`], or a function that returns them, called with the
            number of frames and the frames per second.

    Returns:
        Tensor of shape `(len(indices), 3, height, width)`, uint8 RGB.

    Raises:
        ValueError: `indices` is empty or holds a negative number.
        VideoDecodingError: the video can't be decoded.
    """
    with VideoReader(video) as reader:
        return reader.read(indices(reader.num_frames, reader.fps) if callable(indices) else indices)
