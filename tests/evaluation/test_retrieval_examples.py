import numpy as np

from hf_selfdistill.evaluation.retrieval_examples import ExampleVideo, retrieval_figure


def video(label, cosine=None):
    return ExampleVideo(label, np.zeros((3, 8, 10, 3), np.uint8), cosine)


def test_right_and_wrong_differ_in_mark_and_line_not_only_in_colour():
    query, right, wrong = retrieval_figure(video("run"), [video("run", 0.9), video("walk", 0.8)]).axes
    assert query.get_title(loc="left") == "query: run"
    assert right.get_title(loc="left") == "✓ 1. run  (cosine 0.900)"
    assert wrong.get_title(loc="left") == "✗ 2. walk  (cosine 0.800)"
    assert right.spines["top"].get_linestyle() != wrong.spines["top"].get_linestyle()


def test_a_video_shows_all_its_frames():
    frames = np.arange(3, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(10, 2).repeat(3, 3)
    (axes,) = retrieval_figure(ExampleVideo("run", frames), []).axes
    shown = np.asarray(axes.images[0].get_array())
    assert shown.shape == (8, 30, 3) and [shown[0, column, 0] for column in (5, 15, 25)] == [0, 1, 2]
