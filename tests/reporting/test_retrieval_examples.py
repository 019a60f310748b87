import base64
import io

import numpy as np
from PIL import Image

from hf_selfdistill.reporting.retrieval_examples import GAP, ExampleVideo, retrieval_filmstrips


def video(label, cosine=None):
    return ExampleVideo(label, np.zeros((3, 8, 10, 3), np.uint8), cosine)


def test_right_and_wrong_differ_in_mark_and_kind():
    strips = retrieval_filmstrips(video("run"), [video("run", 0.9), video("walk", 0.8)])
    assert [strip.words for strip in strips] == [
        "query: run", "✓ 1. run (cosine 0.900)", "✗ 2. walk (cosine 0.800)",
    ]  # fmt: skip
    assert [strip.kind for strip in strips] == ["query", "right", "wrong"]
    assert [strip.picture.alt for strip in strips[1:]] == [
        "Frames of run, of the same class", "Frames of walk, of another class",
    ]  # fmt: skip


def test_a_video_shows_all_its_frames_with_white_between_them():
    frames = np.array([0, 80, 160], np.uint8)[:, None, None, None].repeat(16, 1).repeat(20, 2).repeat(3, 3)
    (strip,) = retrieval_filmstrips(ExampleVideo("run", frames), [])
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(strip.picture.uri.partition(",")[2]))))
    assert shown.shape[:2] == (16, 60 + 2 * GAP)
    assert np.allclose(shown[8, [10, 32, 54], 0], [0, 80, 160], atol=8)
    assert (shown[8, [20, 21, 42, 43]] > 200).all()
