"""Pictures of a tested run's videos, in its report."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from tiny_classifiers import tiny_model

from hf_selfdistill.cli import evaluate as command
from hf_selfdistill.cli import report
from hf_selfdistill.reporting.saliency_examples import saliency_examples


@pytest.fixture
def run(fine_tuned, tmp_path):
    return shutil.copytree(fine_tuned, tmp_path / "run")


def evaluate(run, shapes):
    words = f"--model_name_or_path {run} --dataset moving_shapes --dataset_root {shapes} --num_clips 2 --use_cpu"
    words += f" --output_file {run}/evaluation.json --output_dir {run} --disable_tqdm true"
    command.main(words.split())


def test_where_the_model_looks_is_shown_of_a_right_video_and_of_the_surest_wrong_ones(run, shapes):
    evaluate(run, shapes)
    report.main(["--run", str(run)])
    shown = re.findall('alt="Where it was seen in (.+?)"', (run / "report.html").read_text())
    predictions = json.loads((run / "evaluation.json").read_text())["predictions"]
    right, wrong = ([p for p in predictions if (p["predicted"] == p["label"]) == same] for same in (True, False))
    surest = sorted(wrong, key=lambda one: one["score"], reverse=True)[:3]
    assert len(shown) == len(right[:1]) + len(surest) > 1
    for picture, one in zip(shown, [*right[:1], *surest], strict=True):
        assert f"{Path(one['video']).name}: {one['predicted']} ({one['score']:.0%})" in picture
        assert ("wrong, it is" in picture) == (one["predicted"] != one["label"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda run, results: (run / "model.safetensors").unlink(), "the folder has no weights"),
        (lambda run, results: [one.pop("score") for one in results["predictions"]], "test the model again"),
        (
            lambda run, results: [one.update(video="/gone.mp4") for one in results["predictions"]],
            "can be read from here",
        ),
    ],
)
def test_where_there_is_nothing_to_look_at_the_page_says_why(run, shapes, change, why):
    evaluate(run, shapes)
    results = json.loads((run / "evaluation.json").read_text())
    change(run, results)
    pictures, said = saliency_examples(run, results["predictions"])
    assert pictures == [] and why in said


def test_models_that_grad_cam_does_not_know_are_said(tmp_path):
    tiny_model("timesformer").save_pretrained(tmp_path)
    said = {"video": "a.mp4", "label": "a", "predicted": "a", "score": 0.5}
    assert saliency_examples(tmp_path, [said]) == (
        [],
        "No pictures: TimesformerForVideoClassification has no last map over time and space, which Grad-CAM needs; "
        "C3DForVideoClassification and R2Plus1DForVideoClassification have.",
    )
