"""The frames asked for, from a video file: the right ones, upright, in RGB, for little work.

A frame's index is its position in the decoder's output. Time stamps are no substitute: in AVI files with B-frames,
real UCF101 clips among them, they are shifted or scrambled. The packets of a file are therefore counted once; decoding
then begins at the last keyframe before the frames asked for, and is checked: from there on each packet must have given
one frame. Where that fails, or a keyframe's position can't be counted, decoding begins at the first frame.
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

# Codecs whose packets hold one frame each, from so many bytes on: a shorter MPEG-4 packet only says "no change", for
# which the decoder may give no frame. In other codecs a packet may be one field, or a picture that is never shown.
_FRAME_BYTES = {"mpeg4": 16, "h264": 1, "hevc": 1, "mjpeg": 1}
# AVCOL_SPC_BT2020_CL, which FFmpeg can't convert. Phones put this tag on videos coded as its sister BT2020_NCL.
_BT2020_CONSTANT_LUMINANCE = 10


class VideoDecodingError(ValueError):
    """A video can't be decoded; the message is `<file>: <reason>`.

    Args:
        video: the file's path, or `<bytes>`, or `<file object>`; where a `DataLoader` has rebuilt its worker's error
            from the text alone, that text.
        reason: one line of plain English.
    """

    def __init__(self, video: str, reason: str = "") -> None:
        super().__init__(video, reason)  # both, so that a pickle has both
        self.video = video
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.video}: {self.reason}" if self.reason else self.video


class _PositionsUnknown(Exception):
    """Decoding from a keyframe did not give one frame for each packet."""


class _Keyframe(NamedTuple):
    position: int  # in the decoder's output
    pts: int | None  # presentation time stamp, in units of the stream's time base
    dts: int | None  # decoding time stamp
    offset: int | None  # of the packet in the file, by which it is known again

    def is_shown_after(self, packet: av.Packet) -> bool:  # a later packet of the file: a B-frame across the keyframe
        return self.pts is not None and packet.pts is not None and packet.pts < self.pts


class VideoReader:
    """Reads frames of one video, opened once; a context manager.

    Pixels are as stored: not resized, not de-interlaced, not stretched to the sample aspect ratio, wide-gamut and HDR
    colours not mapped to a smaller gamut. Files that don't name their YUV matrix are read as BT.601, FFmpeg's way.

    Args:
        video: path, the file's bytes, or a seekable binary file object (which stays open).

    Attributes:
        num_frames (`int`): whole frames, counted in the file, not taken from its header. Should the decoder give
            fewer, `read` lowers it.
        fps (`float`): average frames per second.
        frame_pixels (`int`): height times width of a frame.

    Raises:
        VideoDecodingError: if it is missing, empty, not a video, without a video stream or cut off before its index.
    """

    def __init__(self, video: Video) -> None:
        self._source: str | BinaryIO
        if isinstance(video, bytes):
            self._name, self._source = "<bytes>", io.BytesIO(video)
        elif isinstance(video, str | os.PathLike):
            # Absolute, because FFmpeg takes a bare "a:b.mp4" for the address b.mp4 of a protocol "a".
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
            indices: positions of frames, from 0, in any order, also repeated; those beyond the end count on from the
                first frame again (modulo `num_frames`), so that a short video repeats.

        Returns:
            Tensor of shape `(len(indices), 3, height, width)`, uint8 RGB, turned as the file says that it is to be
            displayed; channels-last in memory, which `torchvision` resizes fastest.

        Raises:
            ValueError: if `indices` is empty or holds a negative number.
            VideoDecodingError: if no frame can be decoded, or not all to RGB of one size.
        """
        indices = [int(index) for index in indices]
        if not indices or min(indices) < 0:
            raise ValueError(f"indices must be one or more numbers from 0 upwards, got {indices}")
        clip = None
        while clip is None:
            wanted = {index % self.num_frames for index in indices}
            if max(indices) >= self.num_frames:
                wanted.add(self.num_frames - 1)  # where the video repeats, its length matters: go and see its end
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
            reason = "it is not a video, or damaged or cut off before its index" if size else "it is empty"
            raise VideoDecodingError(self._name, reason) from None
        except av.FFmpegError as error:
            raise VideoDecodingError(self._name, f"it can't be opened ({error.strerror})") from None
        # Cover art of an audio file is a video stream, too.
        streams = [s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams or streams[0].codec_context is None:
            self.close()
            raise VideoDecodingError(self._name, f"it has {'an unknown codec' if streams else 'no video stream'}")
        self._stream = streams[0]
        # One thread costs the least CPU time; besides, closing a file while several are at work can hang.
        self._stream.thread_count = 1
        self._stream.thread_type = "NONE"

    def _count(self) -> tuple[int, list[_Keyframe]]:
        """Count the frames and find where decoding can begin; the first entry is the beginning of the video."""
        count = 0
        keyframes: list[_Keyframe] = []
        countable = True  # as long as each packet so far is sure to give one frame
        frame_bytes = _FRAME_BYTES.get(self._stream.codec_context.name, math.inf)
        for packet in self._packets():
            kept = not packet.is_discard  # otherwise cut away by an edit list: decoded, but not output
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
            # The first frames lean on some that are not in the file. The decoder may leave them out: no count holds.
            keyframes = [keyframes[0]._replace(position=0)]
        return count, keyframes

    def _packets(self) -> Iterator[av.Packet[av.VideoStream]]:
        """Whole packets from where the container stands; one that is cut short would give half a picture."""
        try:
            for packet in self._container.demux(self._stream):
                if packet.size and not packet.is_corrupt:
                    yield packet
        except av.FFmpegError:
            return  # The file is cut off here. What is whole has been given.

    def _decode_clip(self, rows: dict[int, int]) -> np.ndarray | None:
        """Decode the frame at each position in `rows` into that row of an array (T, H, W, C).

        Returns None, to try again, if what was known about the file has proved wrong.
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
                        raise VideoDecodingError(self._name, "its frames change their size on the way")
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
        """Positions and frames from `keyframe` to at least `last`, at the end of which positions are checked."""
        packets = self._packets_from(keyframe)
        position = due = keyframe.position
        packet: av.Packet[av.VideoStream] | None
        while True:
            packet = next(packets, None) if position <= last else None  # None: give out what the decoder still holds
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
        for time in (keyframe.pts, keyframe.dts):  # formats differ in which of the two they seek by
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
            return []  # A damaged packet gives no frame, and the next ones may be whole.

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
    """Turn and mirror an image (H, W, C) by FFmpeg's 3x3 matrix, x' = xx·x + yx·y and y' = xy·x + yy·y."""
    xx, xy, _, yx, yy = struct.unpack_from("=5i", display_matrix)
    if abs(xy) > abs(xx):
        image, xx, yy = image.swapaxes(0, 1), yx, xy
    return image[:: -1 if yy < 0 else 1, :: -1 if xx < 0 else 1]


def read_frames(video: Video, indices: Sequence[int] | Callable[[int, float], Sequence[int]]) -> torch.Tensor:
    """Open `video`, read the frames at `indices`, close it.

    Args:
        video: path, the file's bytes, or a seekable binary file object.
        indices: positions of frames as in [`VideoReader.read`], or a function that chooses them, called with the
            number of frames and the frames per second.

    Returns:
        Tensor of shape `(len(indices), 3, height, width)`, uint8 RGB.

    Raises:
        ValueError: if there are no indices or negative ones.
        VideoDecodingError: if the video can't be decoded.
    """
    with VideoReader(video) as reader:
        return reader.read(indices(reader.num_frames, reader.fps) if callable(indices) else indices)
