"""The memory of a decoder is limited, whatever a file makes it keep."""

import numpy as np
import pytest
from videos import numbered_frames, write_video

from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader, read_frames

FRAME = 48 * 64 * 12 // 8


def noise(path, options, b_frames=0):
    frames = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), np.uint8)
    return write_video(
        path, list(frames), gop=100, b_frames=b_frames, options={"x264-params": f"scenecut=0:{options}"}
    )


def read_small(path, frames):
    with VideoReader(path, max_bytes=frames * FRAME) as reader:
        return reader.read(range(40), lambda frames: frames[..., :1, :1])


def test_a_decoder_that_keeps_few_frames_needs_little_memory(tmp_path):
    assert read_small(noise(tmp_path / "a.mp4", "ref=1"), 5).shape == (40, 3, 1, 1)


@pytest.mark.parametrize(("options", "b_frames"), [("ref=16", 0), ("ref=8:b-pyramid=none", 8)])
def test_a_video_that_makes_the_decoder_keep_many_frames_needs_a_higher_limit(tmp_path, options, b_frames):
    path = noise(tmp_path / "a.mp4", options, b_frames)
    assert read_small(path, 20).shape == (40, 3, 1, 1)
    with pytest.raises(VideoDecodingError, match=r"a\.mp4: its decoder keeps \d+ frames of 4608 bytes, .*`max_bytes`"):
        read_small(path, 5)


def test_intra_frames_are_never_counted(tmp_path):
    path = write_video(tmp_path / "a.avi", numbered_frames(60), codec="mjpeg", pix_fmt="yuvj420p")
    assert read_frames(path, range(0, 60, 30), max_bytes=2 * 48 * 64 * 3).shape[0] == 2
