from __future__ import annotations

import json
import logging

import pytest
from safetensors.torch import load_file, save_file
from transformers import TrainingArguments

from hf_selfdistill import C3DConfig, C3DModel, C3DVideoProcessor
from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.data.unlabelled import UnlabelledClips
from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.motion_appearance import MotionAppearance
from hf_selfdistill.pretraining.objective import OBJECTIVE_NAME
from hf_selfdistill.pretraining.rspnet import RSPNet
from hf_selfdistill.pretraining.space_time_cubes import SpaceTimeCubes
from hf_selfdistill.pretraining.trainer import PretrainingTrainer
from hf_selfdistill.runs.pretext import pretext_metrics

PROCESSOR = C3DVideoProcessor(size={"height": 16, "width": 16}, crop_size={"height": 16, "width": 16})


@pytest.fixture
def encoder():
    return C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))


def measure(folder, encoder, shapes, batch=4, videos=6):
    args = TrainingArguments(
        folder / "out", per_device_eval_batch_size=batch, use_cpu=True, disable_tqdm=True, report_to=[]
    )
    records = load_video_dataset("moving_shapes", shapes)["test"]
    records = records.select(range(videos))
    return pretext_metrics(str(folder), {"before": encoder, "after": encoder}, PROCESSOR, records, args)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_queue_that_was_cut_for_training_is_measured_with_whatever_batch(encoder, shapes, tmp_path, batch):
    objective = RSPNet(encoder, RSPNet.Arguments(queue_size=100, embedding_size=8))
    objective.fit_to_batch(32, 1)
    objective.save(tmp_path)
    found = measure(tmp_path, encoder, shapes, batch)
    assert found["name"] == "rspnet" and found["before"] == found["after"]
    assert found["before"].keys() == {"speed_accuracy", "instance_top1"}
    for metric in found["before"].values():
        assert 0 <= metric["low"] <= metric["value"] <= metric["high"] <= 1
        assert 6 * metric["value"] == pytest.approx(round(6 * metric["value"]))  # the mean over the 6 videos


def test_what_says_nothing_of_a_video_is_averaged_over_the_others(encoder, shapes, tmp_path):
    """A puzzle is one of space or one of time: each has the accuracy of its own videos, as in the Trainer's logs."""
    objective = SpaceTimeCubes(encoder, SpaceTimeCubes.Arguments(crop_share=1))
    objective.save(tmp_path)
    found = measure(tmp_path, encoder, shapes)["before"]
    args = PretrainingArguments(tmp_path / "out", per_device_eval_batch_size=4, use_cpu=True, report_to=[])
    records = load_video_dataset("moving_shapes", shapes)["test"]
    clips = UnlabelledClips(records, objective.views(PROCESSOR), seed=0)
    logged = PretrainingTrainer(objective, args, processing_class=PROCESSOR, eval_dataset=clips).evaluate()
    assert found.keys() == {"spatial_accuracy", "temporal_accuracy"}
    for name, metric in found.items():
        assert metric["value"] == pytest.approx(logged[f"eval_{name}"]) and metric["low"] <= metric["value"]


def test_a_metric_that_says_nothing_of_these_videos_is_left_out(encoder, shapes, tmp_path):
    """A single puzzle is one of space or one of time."""
    SpaceTimeCubes(encoder, SpaceTimeCubes.Arguments(crop_share=1)).save(tmp_path)
    found = measure(tmp_path, encoder, shapes, videos=1)
    assert found["before"].keys() == found["after"].keys() and len(found["before"]) == 1


def test_flow_is_not_looked_for_where_it_lay_in_training(encoder, shapes, tmp_path):
    MotionAppearance(encoder, MotionAppearance.Arguments(flow_cache=str(tmp_path / "elsewhere"))).save(tmp_path)
    assert measure(tmp_path, encoder, shapes)["name"] == "motion_appearance"
    assert not (tmp_path / "elsewhere").exists()


def test_errors_above_1_are_not_clipped_as_accuracies_are(encoder, shapes, tmp_path):
    MotionAppearance(encoder, MotionAppearance.Arguments()).save(tmp_path)
    found = measure(tmp_path, encoder, shapes)["before"]
    assert 1 < found["motion_mse"]["value"] < found["motion_mse"]["high"]
    assert found["motion_block_accuracy"]["high"] <= 1


def test_without_heads_there_is_nothing_to_measure(encoder, shapes, tmp_path):
    assert measure(tmp_path, encoder, shapes) is None


def test_heads_of_an_unknown_objective_are_named(encoder, shapes, tmp_path, caplog):
    RSPNet(encoder, RSPNet.Arguments(queue_size=8)).save(tmp_path)
    file = tmp_path / OBJECTIVE_NAME
    save_file(load_file(file), file, {"objective": "my_own", "arguments": json.dumps({})})
    with caplog.at_level(logging.WARNING):
        assert measure(tmp_path, encoder, shapes) is None
    assert caplog.messages == [f"{file} has the unknown objective my_own; its metric is not measured"]
