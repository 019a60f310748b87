"""Decoder with a limit of memory."""

from __future__ import annotations

import av

from hf_selfdistill.data.containers import VideoDecodingError

__all__ = ["Decoder"]


class Decoder:
    """Decoder of a video that limits the memory of kept frames: references, and frames that are shown later.

    FFmpeg has no such limit: a file of a few kilobytes can make a decoder keep 17 large frames.

    Args:
        stream: the video.
        name: its name in errors.
        max_bytes: memory of the kept frames, at most.
    """

    def __init__(self, stream: av.VideoStream, name: str, max_bytes: int) -> None:
        self._stream, self._name, self._max_bytes = stream, name, max_bytes
        self._buffers: set[int] = set()  # FFmpeg reuses the buffers of frames that are no longer needed

    def decode(self, packet: av.Packet[av.VideoStream] | None) -> list[av.VideoFrame]:
        """Return the frames that the decoder outputs after a packet; None flushes it.

        Raises:
            VideoDecodingError: the decoder would keep too many frames.
        """
        codec = self._stream.codec_context
        if codec.format is not None:
            kept = max(len(self._buffers), codec.reorder_depth + 2)
            size = codec.width * codec.height * codec.format.padded_bits_per_pixel // 8
            if kept * size > self._max_bytes:
                reason = f"its decoder keeps {kept} frames of {size} bytes, more than `max_bytes` {self._max_bytes}"
                raise VideoDecodingError(self._name, reason)
        try:
            frames = self._stream.decode(packet)
        except av.FFmpegError:
            return []  # A damaged packet gives no frame; the next packets can be whole.
        if not codec.codec.intra_only:
            self._buffers.update(frame.planes[0].buffer_ptr for frame in frames)
        return frames
