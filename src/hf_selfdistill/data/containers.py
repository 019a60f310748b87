"""Videos opened so that FFmpeg reads the given file and nothing else.

Some formats name other files or addresses that FFmpeg then opens: playlists, lists of files, session descriptions. An
uploaded text of 80 bytes would show any video of the machine. Only formats that hold their frames themselves are
opened, by content and never by name, without any protocol that could open something else.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
from types import SimpleNamespace
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition

__all__ = ["Video", "VideoDecodingError", "escaped", "name_of", "open_video_stream"]

Video = str | os.PathLike[str] | bytes | BinaryIO

# FFmpeg's demuxers of files that hold frames themselves. Left out: all that open other files or addresses, devices,
# subtitles, sound, and formats that FFmpeg does not recognise by content.
_FORMATS = (
    "apng asf av1 avi bmp_pipe dirac dnxhd dv flic flv gif gxf h261 h263 h264 hevc ivf jpeg_pipe m4v matroska mjpeg "
    "mov mpeg mpegts mpegvideo mxf nut obu ogg png_pipe rm roq smk swf tiff_pipe vc1 vvc webp_pipe wtv yuv4mpegpipe"
)


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


def escaped(path: str | os.PathLike[str]) -> str:
    r"""Write a path in UTF-8, with bytes that are not as `caf\xe9.mp4`; a video is found by this name, too."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _existing(path: str | os.PathLike[str]) -> bytes:
    """Return a path as it is, or, where nothing is there, with escaped bytes as bytes."""
    name = os.fsencode(path)
    return name if os.path.lexists(name) else re.sub(rb"\\x([89a-f][0-9a-f])", lambda m: bytes([int(m[1], 16)]), name)


def name_of(video: Video) -> str:
    """Return the name of a video in errors."""
    if isinstance(video, str | os.PathLike):
        return escaped(video)
    return "<bytes>" if isinstance(video, bytes) else "<file object>"


def open_video_stream(video: Video, max_pixels: int) -> tuple[InputContainer, av.VideoStream]:
    """Open a video and find its first stream of frames.

    Args:
        video: path of a regular file, the file's bytes, or a seekable binary file object.
        max_pixels: height times width of a frame, at most.

    Raises:
        VideoDecodingError: it is not such a video.
    """
    name = name_of(video)
    try:
        container = _open_container(video, name, max_pixels)
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        if isinstance(error, VideoDecodingError):
            raise
        raise VideoDecodingError(name, f"it can't be opened ({getattr(error, 'strerror', None) or error})") from None
    # The cover art of an audio file is also a video stream.
    stream = next((s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None)
    if stream is None or stream.codec_context is None:
        reason = "it has no video stream" if stream is None else "it has an unknown codec"
    elif not stream.width:
        reason = f"its frames are damaged or larger than `max_pixels` {max_pixels}"
    elif stream.width * stream.height > max_pixels:
        reason = f"its frames of {stream.width}x{stream.height} pixels are larger than `max_pixels` {max_pixels}"
    else:
        # One thread costs the least CPU time, and closing a file while several threads decode can hang.
        stream.thread_count, stream.thread_type = 1, "NONE"
        stream.codec_context.options = {"max_pixels": str(max_pixels)}  # the size in the file's header can be wrong
        return container, stream
    container.close()
    raise VideoDecodingError(name, reason)


def _open_container(video: Video, name: str, max_pixels: int) -> InputContainer:
    options = {"format_whitelist": ",".join(_FORMATS.split()), "max_pixels": str(max_pixels)}
    with contextlib.ExitStack() as stack:
        source: Any
        file: Any
        if isinstance(video, str | os.PathLike):
            path = _existing(video)
            mode = os.stat(path).st_mode  # before opening: that of a pipe waits for somebody who writes to it
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise VideoDecodingError(name, "it is a pipe, a socket or a device, not a file")
            file = stack.enter_context(open(path, "rb", buffering=0))
            options |= {"protocol_whitelist": "fd", "fd": str(file.fileno())}  # FFmpeg keeps a duplicate
            source = "fd:"
        else:
            file = io.BytesIO(video) if isinstance(video, bytes) else video
            options |= {"protocol_whitelist": "none"}
            source = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell)  # without the object's name
        if not file.seek(0, os.SEEK_END):
            raise VideoDecodingError(name, "it is empty")
        file.seek(0)
        try:
            return av.open(source, "r", options=options, metadata_errors="replace")
        except (av.InvalidDataError, av.EOFError, av.ArgumentError):  # the last: not one of the formats
            raise VideoDecodingError(name, "it is not a video, or it is damaged or cut off before its index") from None
        except av.FFmpegError as error:
            raise VideoDecodingError(name, f"it can't be opened ({error.strerror})") from None
