"""Count of the frames of a video, from its packets and without decoding."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import av
from av.container import InputContainer

__all__ = ["Keyframe", "count_frames", "is_seekable"]

# Codecs whose keyframes hold all that a decoder needs; elsewhere a palette can be only in the first packet.
# Packets of at least so many bytes hold one frame each: a shorter MPEG-4 packet only says "no change", for which the
# decoder can give no frame. With infinity a packet can hold one field, or a picture that is never shown.
_FRAME_BYTES: dict[str, float] = {"mpeg4": 16, "h264": 1, "hevc": 1, "mjpeg": 1}
_FRAME_BYTES |= dict.fromkeys(["mpeg2video", "vp8", "vp9", "av1"], math.inf)
# Formats with an index, or time stamps, by which FFmpeg finds a keyframe again.
_SEEKABLE = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts"}


class Keyframe(NamedTuple):
    """Keyframe of a video.

    Args:
        position: position in the decoder's output.
        pts: presentation time stamp, in units of the stream's time base.
        dts: decoding time stamp.
        offset: place of the packet in the file; identifies the packet after a seek.
    """

    position: int
    pts: int | None
    dts: int | None
    offset: int | None

    def is_shown_after(self, packet: av.Packet) -> bool:
        """Return whether a packet that follows in the file, of a B-frame, is shown before the keyframe."""
        return self.pts is not None and packet.pts is not None and packet.pts < self.pts


def is_seekable(container: InputContainer, stream: av.VideoStream) -> bool:
    """Return whether decoding can begin at a keyframe, found by its time stamp."""
    return container.format.name in _SEEKABLE and stream.codec_context.name in _FRAME_BYTES


def count_frames(
    packets: Iterable[av.Packet[av.VideoStream]], container: InputContainer, stream: av.VideoStream
) -> tuple[list[tuple[int | None, int]], list[Keyframe]]:
    """Count the frames and find the keyframes; the first one is the beginning of the video.

    Args:
        packets: all packets of the stream.
        container: container of the stream.
        stream: stream of the frames.

    Returns:
        Time stamp and duration of each frame, in units of the time base, and the keyframes. Time stamps are None where
        they can't be trusted; a duration of 0 is unknown.
    """
    times: list[tuple[int | None, int]] = []
    keyframes: list[Keyframe] = []
    trusted = container.format.name != "avi" or not stream.codec_context.has_b_frames
    countable = True  # as long as each packet so far gives exactly one frame
    frame_bytes = _FRAME_BYTES[stream.codec_context.name] if is_seekable(container, stream) else math.inf
    latest: float = -math.inf
    for packet in packets:
        kept = not packet.is_discard  # an edit list discards it: it is decoded, but not output
        if not keyframes:
            keyframes.append(Keyframe(0, packet.pts, packet.dts, packet.pos))
            countable = packet.is_keyframe
        elif keyframes[-1].is_shown_after(packet):
            keyframes[-1] = keyframes[-1]._replace(position=keyframes[-1].position + kept)
        elif packet.is_keyframe and countable and kept and times:
            keyframes.append(Keyframe(len(times), packet.pts, packet.dts, packet.pos))
        countable = countable and packet.size >= frame_bytes and not packet.is_corrupt
        if kept:
            times.append((packet.pts, packet.duration or 0))
        if packet.dts is not None:
            if packet.dts < latest:  # joined files: a time is no longer one place
                countable = trusted = False
                del keyframes[1:]
            latest = packet.dts
    if times and keyframes[0].position > 0:
        # The first frames refer to frames that are not in the file. The decoder can skip them: no count is valid.
        keyframes, trusted = [keyframes[0]._replace(position=0)], False
    return times if trusted else [(None, 0)] * len(times), keyframes
