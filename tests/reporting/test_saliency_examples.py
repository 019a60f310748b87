from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tiny_classifiers import save_checkpoint, tiny_model, tiny_processor

from hf_selfdistill.reporting.saliency_examples import PROTOCOL, saliency_examples


@pytest.fixture
def predictions(shapes):
    """Two correct videos, then wrong ones with rising probabilities."""
    videos = sorted(str(file.relative_to(shapes)) for file in shapes.glob("*/*.avi"))[:6]
    correct = [{"video": video, "label": "moving_up", "predicted": "moving_up", "score": 0.5} for video in videos[:2]]
    wrong = [
        {"video": video, "label": "moving_up", "predicted": "moving_left", "score": 0.4 + 0.1 * place}
        for place, video in enumerate(videos[2:])
    ]
    return [*correct, *wrong]


def test_the_first_correct_video_and_the_most_certain_wrong_ones_are_shown(fine_tuned, predictions, shapes):
    pictures, protocol = saliency_examples(fine_tuned, predictions, shapes)
    names = [Path(one["video"]).name for one in predictions]
    assert protocol == PROTOCOL
    assert [picture.caption for picture in pictures] == [
        f"{names[0]}: moving_up (50%), correct",
        f"{names[5]}: moving_left (70%), wrong: it is moving_up",
        f"{names[4]}: moving_left (60%), wrong: it is moving_up",
        f"{names[3]}: moving_left (50%), wrong: it is moving_up",
    ]
    assert all(picture.alt == f"Evidence in {picture.caption}" for picture in pictures)


def test_unreadable_videos_are_left_out_with_a_warning(fine_tuned, predictions, shapes, caplog):
    gone = predictions[0] | {"video": "/gone.mp4"}
    with caplog.at_level(logging.WARNING):
        pictures, _ = saliency_examples(fine_tuned, [gone, *predictions[2:]], shapes)
    assert len(pictures) == 3 and "A saliency picture is left out: /gone.mp4" in caplog.text
    assert saliency_examples(fine_tuned, [gone], shapes) == (
        [],
        "No pictures: the tested videos can't be read from here.",
    )


def test_a_model_that_grad_cam_does_not_support_gives_the_reason(tmp_path, predictions):
    save_checkpoint(tiny_model("timesformer"), tiny_processor("timesformer"), tmp_path)
    assert saliency_examples(tmp_path, predictions, tmp_path) == (
        [],
        "No pictures: TimesformerForVideoClassification has no last feature map over time and space, which Grad-CAM "
        "needs; use C3DForVideoClassification or R2Plus1DForVideoClassification.",
    )
