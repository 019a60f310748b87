from __future__ import annotations

import json
import re

import pytest
import torch
from safetensors.torch import load_file

from hf_selfdistill.cli import finetune
from hf_selfdistill.runs.configs import FinetuneConfig
from hf_selfdistill.training.record import RunRecord

NAMES = {"eval_reference_linear_probe_top1", "eval_reference_knn_top1"}


@pytest.fixture
def flags(tiny_flags, shapes, fine_tuned):
    """Of a fine-tuning that measures on the very data set that the encoder was trained on."""
    own = {"reference_dataset": "moving_shapes", "reference_root": shapes}
    base = {"model_name_or_path": fine_tuned, "config_overrides": None, "save_strategy": "no"}
    return lambda folder, **overrides: tiny_flags(shapes, folder, **{**base, **own, **overrides})


def measured(folder):
    log = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [row for row in log if row.keys() >= NAMES]


def test_the_state_of_the_run_keeps_what_was_measured_and_the_model_is_the_same(flags, tmp_path):
    finetune.main(flags(tmp_path / "with"))
    finetune.main(flags(tmp_path / "without", reference_dataset=None))
    assert [row["epoch"] for row in measured(tmp_path / "with")] == [0, 1, 2]
    assert measured(tmp_path / "without") == []
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("with", "without"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_an_average_made_after_training_is_what_is_measured_last(flags, tmp_path):
    finetune.main(flags(tmp_path / "run", regularizer="wise_ft", distill_weight=None, learning_rate=0.5))
    rows, metrics = measured(tmp_path / "run"), RunRecord.load(tmp_path / "run").metrics
    assert [row["epoch"] for row in rows] == [0, 1, 2, 2]
    assert metrics["retention"]["after"]["linear_probe_top1"] == rows[-1]["eval_reference_linear_probe_top1"]


def test_without_drift_nothing_is_measured_and_the_run_is_the_same(flags, tmp_path):
    finetune.main([*flags(tmp_path / "run", reference_dataset=None), "--no_drift"])
    record = RunRecord.load(tmp_path / "run")
    assert "drift" not in record.metrics
    config = FinetuneConfig.from_dict({**record.config, "drift": True})
    assert config.identity() == record.identity


def test_the_trainer_does_not_warn_of_two_callbacks_of_a_kind(flags, tmp_path, caplog):
    words = flags(tmp_path / "run", eval_strategy="epoch", validation_fraction=0.3)
    finetune.main([*words, "--keep_best", "validation", "test"])
    assert "there is already one" not in caplog.text


def test_a_resumed_run_is_compared_with_the_encoder_that_it_came_from(flags, tmp_path):
    settings = {"save_strategy": "steps", "save_steps": 3, "learning_rate": 0.5}
    finetune.main(flags(tmp_path / "whole", **settings))
    checkpoint = tmp_path / "whole" / "checkpoint-6"
    finetune.main(flags(tmp_path / "resumed", resume_from_checkpoint=checkpoint, **settings))
    whole, resumed = measured(tmp_path / "whole"), measured(tmp_path / "resumed")
    assert whole == resumed and len(whole) == 3


def test_a_run_ends_with_the_drift_in_log_record_and_card(flags, tmp_path, caplog):
    with caplog.at_level("INFO"):
        finetune.main(flags(tmp_path / "run", regularizer="wise_ft", distill_weight=None, validation_fraction=0.3))
    metrics = RunRecord.load(tmp_path / "run").metrics
    assert metrics["drift"]["num_videos"] >= 4 and metrics["drift"]["cka"]["value"] < 1
    assert "The encoder: " in caplog.text
    assert "CKA with the encoder before" in (tmp_path / "run" / "README.md").read_text()


@pytest.mark.slow
def test_two_processes_measure_the_same_encoder_alike(flags, tmp_path, run_script):
    settings = {"num_train_epochs": 1, "reference_videos": 23, "per_device_eval_batch_size": 2}
    finished = run_script("finetune", *flags(tmp_path / "two", **settings), processes=2)
    assert finished.returncode == 0, finished.stderr
    finetune.main(flags(tmp_path / "one", **settings))
    together, alone = measured(tmp_path / "two"), measured(tmp_path / "one")
    assert together[0] == alone[0] and len(together) == 2


def test_random_weights_have_nothing_to_retain_which_is_said(flags, tmp_path, caplog):
    tiny = "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16"
    finetune.main(flags(tmp_path, model_name_or_path="c3d", config_overrides=tiny, num_train_epochs=1))
    assert "c3d has random weights, so retention is not measured" in caplog.text
    assert measured(tmp_path) == []


@pytest.fixture
def with_a_broken_file(shapes, tmp_path):
    """The data set's list with a test video more, an empty file."""
    rows = (shapes / "moving_shapes.csv").read_text().splitlines()
    (tmp_path / "broken.mp4").write_bytes(b"")
    moved = [row if row.startswith("video,") else f"{shapes}/{row}" for row in rows]
    (tmp_path / "list.csv").write_text("\n".join([*moved, f"{tmp_path / 'broken.mp4'},moving_up,new,test"]))
    return {"reference_dataset": "csv", "reference_root": "/", "reference_annotations": tmp_path / "list.csv"}


def test_an_unreadable_file_of_the_reference_set_is_named_and_left_out(flags, with_a_broken_file, tmp_path, caplog):
    finetune.main(flags(tmp_path / "out", **with_a_broken_file, num_train_epochs=1, max_unreadable=0.5))
    assert "Skipped an unreadable video: " in caplog.text and "broken.mp4" in caplog.text
    assert len(measured(tmp_path / "out")) == 2
    assert json.loads((tmp_path / "out" / "all_results.json").read_text())["unreadable"] == []  # of the run's own


def test_a_reference_set_that_is_unreadable_ends_the_run(flags, with_a_broken_file, tmp_path):
    with pytest.raises(SystemExit, match=r"1 of 25 videos can't be read, more than --max_unreadable 0 allows"):
        finetune.main(flags(tmp_path / "out", **with_a_broken_file, num_train_epochs=1, max_unreadable=0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reference_dataset": None, "retention_epochs": 2}, "--retention_epochs needs --reference_dataset"),
        ({"retention_epochs": 0}, "--retention_epochs is 0; it must be positive"),
        ({"reference_videos": 1}, "the linear probe needs two groups .*raise --reference_videos 1"),
        ({"reference_videos": 4}, "3 videos of the reference set for the gallery and 1 queries"),
        ({"reference_root": "/nowhere", "reference_dataset": "folder"}, "/nowhere is not a folder"),
    ],
)
def test_what_cannot_be_measured_ends_it_in_one_line_before_training(flags, tmp_path, capsys, wrong, message):
    with pytest.raises(SystemExit) as stopped:
        finetune.main(flags(tmp_path / "out", **wrong))
    assert re.search(message, capsys.readouterr().err if stopped.value.code == 2 else stopped.value.code)
    assert not list((tmp_path / "out").glob("*.safetensors"))
