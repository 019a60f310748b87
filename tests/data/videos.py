"""Videos written by the tests, whose frames carry their number in a pattern that survives lossy coding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.stream import Disposition

_BITS = 8
_DARK, _BRIGHT = 40, 215


def numbered_frame(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Grey image (H, W, 3) whose 4 by 2 blocks are the bits of `number` (below 256), lowest at the top left."""
    bits = (number >> np.arange(_BITS)) & 1
    rows = np.arange(height) * 2 // height
    columns = np.arange(width) * 4 // width
    grey = np.where(bits[rows[:, None] * 4 + columns], _BRIGHT, _DARK).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def numbered_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """`count` images (H, W, 3) numbered from 0."""
    return [numbered_frame(number, height, width) for number in range(count)]


def frame_numbers(frames: torch.Tensor) -> list[int]:
    """Read the numbers back from frames (T, C, H, W)."""
    blocks = torch.nn.functional.adaptive_avg_pool2d(frames.float().mean(1), (2, 4)).flatten(1)  # (T, 8)
    return ((blocks > (_DARK + _BRIGHT) / 2).long() << torch.arange(_BITS)).sum(1).tolist()


def write_video(
    path: Path | str,
    frames: Iterable[np.ndarray],
    codec: str = "libx264",
    fps: float = 25,
    gop: int = 12,
    b_frames: int = 0,
    pix_fmt: str = "yuv420p",
    rotation: float = 0,
    mirrored: bool = False,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
) -> Path:
    """Write RGB images (H, W, 3) to a file whose extension names the container.

    Args:
        path: file to write.
        frames: uint8 images of one size.
        codec: such as "libx264", "libx265", "mpeg4", "mjpeg", "ffv1", "libvpx-vp9".
        fps: frames per second.
        gop: frames from keyframe to keyframe, at most.
        b_frames: B-frames in a row, at most.
        pix_fmt: pixel format, into which FFmpeg converts the images.
        rotation: by which a player is told to turn the picture, in degrees counter-clockwise.
        mirrored: whether a player is told to swap left and right.
        options: of the encoder.
        container_options: of the container.
        times: of the frames, in units of 1 / fps; 0, 1, 2 … by default.

    Returns:
        `path`.
    """
    frames = list(frames)
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.time_base = 1 / rate
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        for time, image in zip(times or range(len(frames)), frames, strict=True):
            frame = av.VideoFrame.from_ndarray(image).reformat(format=pix_fmt)
            frame.pts, frame.time_base = time, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Path(path)


def cut_video(source: Path | str, path: Path | str, start: int = 0, shift: int = 0) -> Path:
    """Copy packets of a video without coding them again.

    Args:
        source: file to read.
        path: file to write.
        start: number of packets left out at the beginning.
        shift: frames by which time stamps are moved back; those before 0 are cut away by an MP4 file's edit list.

    Returns:
        `path`.
    """
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"} if shift else {}
    with av.open(str(source)) as reader, av.open(str(path), "w", options=options) as writer:
        stream = reader.streams.video[0]
        copy = writer.add_stream_from_template(stream)
        ticks = round(shift / (stream.average_rate * stream.time_base))
        for packet in list(reader.demux(stream))[start:]:
            if packet.size:
                packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
                packet.stream = copy
                writer.mux(packet)
    return Path(path)


def write_colour(
    path: Path,
    rgb: tuple[int, int, int],
    weights: tuple[float, float],
    options: dict[str, str],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    full_range: bool = False,
) -> Path:
    """Write one frame of one colour, converted to YUV by the matrix with these weights of red and blue in luma."""
    red, green, blue = (value / 255 for value in rgb)
    luma = weights[0] * red + (1 - sum(weights)) * green + weights[1] * blue
    chroma = np.array([(blue - luma) / (2 - 2 * weights[1]), (red - luma) / (2 - 2 * weights[0])])
    bits = 10 if "10" in pix_fmt else 8
    yuv = [luma * 255, *(chroma * 255 + 128)] if full_range else [luma * 219 + 16, *(chroma * 224 + 128)]
    dtype = np.uint16 if bits == 10 else np.uint8
    values = np.array(yuv) * 2 ** (bits - 8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pix_fmt
        stream.codec_context.color_range = 2 if full_range else 1
        frame = av.VideoFrame(64, 64, pix_fmt)
        for plane, value in zip(frame.planes, values, strict=True):
            plane.update(np.full(plane.buffer_size // dtype().nbytes, round(value), dtype).tobytes())
        frame.color_range, frame.pts = 2 if full_range else 1, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_audio(path: Path, with_cover_art: bool) -> Path:
    """Write a short sound, with or without a picture of the cover in the same file."""
    sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
    sound.rate = 44100
    with av.open(str(path), "w") as container:
        streams = [(container.add_stream("aac", rate=44100), sound)]
        if with_cover_art:
            art = container.add_stream("mjpeg", rate=1)
            art.width, art.height, art.pix_fmt, art.disposition = 64, 48, "yuvj420p", Disposition.attached_pic
            streams.insert(0, (art, av.VideoFrame.from_ndarray(numbered_frame(1)).reformat(format="yuvj420p")))
        for stream, frame in streams:
            container.mux([*stream.encode(frame), *stream.encode()])
    return path
