import base64
import io
import logging

import numpy as np
import pytest
from PIL import Image
from videos import write_video

from hf_selfdistill.reporting.retrieval_examples import EXAMPLES, GAP, NEAREST, retrieval_examples


@pytest.fixture
def video(tmp_path):
    """A file of 8 frames of 16×20 pixels, from dark to bright."""
    frames = np.linspace(0, 210, 8).astype(np.uint8)[:, None, None, None].repeat(16, 1).repeat(20, 2).repeat(3, 3)
    write_video(tmp_path / "v.mp4", frames)
    return "v.mp4"


def neighbour(video, label, cosine=0.9):
    return {"video": video, "label": label, "cosine": cosine}


def test_neighbours_of_the_querys_class_and_of_other_classes_differ_in_mark_and_kind(video, tmp_path):
    query = {"video": video, "label": "run", "nearest": [neighbour(video, "run"), neighbour(video, "walk", 0.8)]}
    (strips,) = retrieval_examples([query], tmp_path)
    assert [strip.title for strip in strips] == [
        "query: run", "✓ 1. run (cosine 0.900)", "✗ 2. walk (cosine 0.800)",
    ]  # fmt: skip
    assert [strip.kind for strip in strips] == ["query", "right", "wrong"]
    assert [strip.picture.alt for strip in strips[1:]] == [
        "Frames of run, the same class", "Frames of walk, another class",
    ]  # fmt: skip


def test_a_video_shows_four_frames_with_white_between_them(video, tmp_path):
    ((strip,),) = retrieval_examples([{"video": video, "label": "run", "nearest": []}], tmp_path)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(strip.picture.uri.partition(",")[2]))))
    assert shown.shape[:2] == (16, 80 + 3 * GAP)
    np.testing.assert_allclose(shown[8, [10, 32, 54, 76], 0], [30, 90, 120, 180], atol=8)  # frames 1, 3, 4 and 6
    assert (shown[8, [20, 21, 42, 43], 0] > 200).all()


def test_queries_are_evenly_spaced_and_their_neighbours_few(video, tmp_path):
    queries = [{"video": video, "label": str(i), "nearest": [neighbour(video, "x")] * 9} for i in range(11)]
    examples = retrieval_examples(queries, tmp_path)
    assert [strips[0].title for strips in examples] == [f"query: {i}" for i in (0, 2, 4, 6, 8, 10)]
    assert len(examples) == EXAMPLES and all(len(strips) == 1 + NEAREST for strips in examples)


def test_an_example_with_an_unreadable_video_is_left_out_with_a_warning(video, tmp_path, caplog):
    queries = [{"video": name, "label": "run", "nearest": []} for name in ("/gone.mp4", video)]
    with caplog.at_level(logging.WARNING):
        assert len(retrieval_examples(queries, tmp_path)) == 1
    assert "A retrieval example is left out: /gone.mp4" in caplog.text


def test_without_a_test_of_retrieval_there_is_no_progress_bar(tmp_path, capfd):
    assert retrieval_examples([], tmp_path) == [] and capfd.readouterr().err == ""
