import json
import logging
import warnings

import pytest
from transformers.utils import logging as transformers_logging

from hf_selfdistill import C3DForVideoClassification, C3DVideoProcessor
from hf_selfdistill.cli import evaluate as command
from hf_selfdistill.models.loading import load_for_features

OVERRIDES = "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16"


@pytest.fixture
def evaluate(shapes, tmp_path):
    def run(model, task, **others):
        values = {
            "model_name_or_path": model,
            "task": task,
            "dataset": "moving_shapes",
            "dataset_root": shapes,
            "num_clips": 2,
            "output_file": tmp_path / "e.json",
            "output_dir": tmp_path,
            "disable_tqdm": True,
            "use_cpu": True,
            **others,
        }
        command.main([word for name, value in values.items() for word in (f"--{name}", str(value))])
        return json.loads((tmp_path / "e.json").read_text())

    return run


@pytest.fixture
def encoder(fine_tuned, tmp_path):
    C3DForVideoClassification.from_pretrained(fine_tuned).base_model.save_pretrained(tmp_path / "encoder")
    C3DVideoProcessor.from_pretrained(fine_tuned).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.mark.parametrize("task", ["retrieval", "linear_probe", "knn"])
def test_a_classifier_and_its_encoder_know_the_same(task, evaluate, fine_tuned, encoder):
    results = evaluate(fine_tuned, task)
    ks = (1, 5, 10, 20, 50) if task == "retrieval" else (1,)
    more = ["neighbours"] if task == "retrieval" else []
    assert list(results) == [*(f"{task}_top{k}" for k in ks), *more, "num_videos", "protocol", "failed"]
    assert (results["num_videos"], results["failed"]) == (6, [])
    assert all(0 <= results[f"{task}_top{k}"] <= 1 for k in ks)
    start = "moving_shapes, test against 18 videos of train and validation, 2 clips of 8 frames, stride 1, "
    assert results["protocol"].startswith(start)
    assert evaluate(encoder, task) == results


def test_random_weights_are_those_of_the_seed_and_vcops_pictures_are_said(evaluate):
    first, again = (
        evaluate("c3d", "retrieval", config_overrides=OVERRIDES, retrieval_protocol="vcop", seed=3) for _ in range(2)
    )
    assert first == again and first["retrieval_top50"] == 1.0
    assert "resized to 18×24, centre crop 16, in 0 … 1, last map max-pooled 1×2×2" in first["protocol"]


def test_the_validation_part_is_compared_with_the_training_part_alone(evaluate, fine_tuned):
    protocol = evaluate(fine_tuned, "knn", part="validation")["protocol"]
    assert "validation against 15 videos of train, " in protocol


def test_loading_an_encoder_warns_of_nothing(encoder, caplog):
    transformers_logging.enable_propagation()
    try:
        with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
            warnings.simplefilter("error")
            model, _ = load_for_features(str(encoder))
    finally:
        transformers_logging.disable_propagation()
    assert caplog.text == "" and not model.training


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one_though_they_do_not_divide_the_videos(
    evaluate, fine_tuned, shapes, tmp_path, run_script
):
    one = evaluate(fine_tuned, "knn")
    words = {"dataset": "moving_shapes", "dataset_root": shapes, "num_clips": 2, "per_device_eval_batch_size": 2}
    words |= {"task": "knn", "output_file": tmp_path / "two.json", "output_dir": tmp_path, "use_cpu": True}
    words = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    done = run_script("evaluate_model", "--model_name_or_path", fine_tuned, *words, processes=2)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "two.json").read_text()) == one
