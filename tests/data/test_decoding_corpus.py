"""Random access equals a sequential decode, bit for bit, for every encoder of FFmpeg and every container for it."""

import random

import av
import numpy as np
import pytest
from videos import numbered_frame

from hf_selfdistill.data.decoding import VideoReader, read_frames

pytestmark = pytest.mark.slow

ON_DEVICES = ("_amf", "_nvenc", "_qsv", "_v4l2m2m", "_vaapi", "_videotoolbox")
CONTAINERS = (
    "3gp apng asf avi dnxhd drc dv flv gif gxf h261 h263 h264 hevc ivf m1v m2v m4v mjpeg mkv mov mp4 mpg mxf nut obu "
    "ogv rm roq swf ts vc2 vob webm wmv wtv y4m"
).split()
FRAMES = 30


def video_encoders():
    for name in sorted(av.codecs_available):
        try:
            codec = av.Codec(name, "w")
        except ValueError:  # it only decodes
            continue
        if codec.type == "video" and not name.endswith(ON_DEVICES) and name not in ("vnull", "wrapped_avframe"):
            yield name


def pixel_format(encoder):
    allowed = [pixels.name for pixels in av.Codec(encoder, "w").video_formats or ()]
    return next((name for name in ("pal8", "yuv420p") if name in allowed), allowed[0] if allowed else "pal8")


def write(path, encoder):
    """Write frames that move, in groups of ten; return whether this encoder and this container go together."""
    try:
        with av.open(str(path), "w") as container:
            options = {"x265-params": "log-level=none"} if encoder in ("hevc", "libx265") else {}
            stream = container.add_stream(encoder, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 128, 96, pixel_format(encoder)
            stream.codec_context.gop_size = 10
            for time in range(FRAMES):
                image = np.roll(numbered_frame(7 * time + 1, 96, 128), 3 * time, axis=1)
                frame = av.VideoFrame.from_ndarray(image).reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = time, 1 / stream.codec_context.framerate
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return True
    except (av.FFmpegError, ValueError):
        return False


def sequential_decode(path):
    try:
        with av.open(str(path)) as container:
            if container.streams.video[0].codec_context is None:
                return []  # PyAV 17 crashes when it decodes a codec that it does not know
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.FFmpegError, ValueError, IndexError):  # a container that FFmpeg writes but does not read
        return []


def same(frames, expected):
    return np.array_equal(frames.permute(0, 2, 3, 1).numpy(), np.stack(expected))


@pytest.mark.parametrize("encoder", video_encoders())
def test_random_access_equals_a_sequential_decode(encoder, tmp_path):
    draw, wrong, pairs = random.Random(0), [], 0
    for container in CONTAINERS:
        path = tmp_path / f"video.{container}"
        expected = sequential_decode(path) if write(path, encoder) else []
        if not expected:
            continue
        pairs += 1
        last = len(expected) - 1
        with VideoReader(path) as reader:
            for index in [last, 0, *(draw.randint(0, last) for _ in range(4))]:
                if not same(reader.read([index]), [expected[index]]):
                    wrong.append((container, index))
            assert reader.num_frames == len(expected), container
        index = draw.randint(0, last)
        for source in (path, path.read_bytes()):
            if not same(read_frames(source, [index, last]), [expected[index], expected[last]]):
                wrong.append((container, "a new reader", index))
    if not pairs:
        pytest.skip("no container takes it")
    assert not wrong
