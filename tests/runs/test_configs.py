from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

from hf_selfdistill.runs.configs import (
    EvaluateConfig,
    FinetuneConfig,
    ForgettingConfig,
    PredictConfig,
    PretrainConfig,
)


@pytest.fixture
def config(shapes):
    return lambda **values: FinetuneConfig(
        **{"model_name_or_path": "c3d", "dataset": "moving_shapes", "dataset_root": str(shapes), **values}
    )


def test_two_spellings_of_one_run_are_one_run(config):
    one = config(learning_rate=1e-3)
    for same in (
        config(learning_rate=0.001, optim="adamw_torch_fused", distill_weight=100),
        dataclasses.replace(one, seed=42),
        FinetuneConfig.from_dict(json.loads(json.dumps(one.to_dict()))),
    ):
        assert same == one and hash(same) == hash(one) and same.identity() == one.identity()
    other = dataclasses.replace(one, learning_rate=0.002)
    assert other != one and other.identity() != one.identity()


def test_places_workers_and_logging_do_not_change_the_identity(config, shapes, tmp_path):
    one = config(output_dir="a")
    moved = shutil.copytree(shapes, tmp_path / "elsewhere")
    same = config(output_dir="b", dataset_root=str(moved), dataloader_num_workers=2, logging_steps=1)
    assert same != one and same.identity() == one.identity()


def test_the_contents_of_the_inputs_change_the_identity(config, shapes, fine_tuned, tmp_path):
    assert config().inputs().keys() == {"train", "validation", "test"}
    assert config(label_fraction=0.5).inputs()["train"] != config().inputs()["train"]
    reference = config(
        model_name_or_path=str(fine_tuned), reference_dataset="moving_shapes", reference_root=str(shapes)
    )
    assert reference.inputs().keys() == {"encoder", "train", "validation", "test", "reference"}
    copy = shutil.copytree(fine_tuned, tmp_path / "copy")
    moved = dataclasses.replace(reference, model_name_or_path=str(copy))
    assert moved.identity() == reference.identity()
    (copy / "model.safetensors").write_bytes(b"others")
    assert moved.identity() != reference.identity()


def test_a_grid_is_made_by_replacing_values(config):
    grid = [dataclasses.replace(config(), distill_weight=weight, seed=seed) for weight in (0, 10) for seed in (0, 1)]
    assert len({run.identity() for run in grid}) == 4
    assert grid[3].to_dict() == config(distill_weight=10, seed=1).to_dict()


def test_rivals_of_self_distillation_have_no_lambda(config):
    assert config(regularizer="l2_sp").distill_weight == 0
    assert config(regularizer="l2_sp") == config(regularizer="l2_sp", distill_weight=10)


def test_an_unknown_field_is_named():
    with pytest.raises(ValueError, match="FinetuneConfig has no field learning_rat; check the spelling"):
        FinetuneConfig.from_dict({"learning_rat": 1})


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (FinetuneConfig, {"regularizer": "none"}, "`regularizer` is 'none'; allowed are"),
        (FinetuneConfig, {"lora_rank": 2, "regularizer": "l2_sp"}, "can't be combined with `regularizer` l2_sp"),
        (FinetuneConfig, {"lora_target_modules": "query"}, "`lora_rank` is not given"),
        (FinetuneConfig, {"retention_epochs": 1}, "`retention_epochs` needs `reference_dataset`"),
        (FinetuneConfig, {"model_name_or_path": "x", "config_overrides": "a=1"}, "has its own configuration"),
        (EvaluateConfig, {"retrieval_protocol": "vcop"}, "`retrieval_protocol` vcop needs `task` retrieval"),
        (EvaluateConfig, {"task": "knn", "part": "train"}, "uses it as the gallery"),
        (EvaluateConfig, {"num_clips": 0}, "`num_clips` is 0; it must be positive"),
        (EvaluateConfig, {"config_overrides": "image_size=16"}, "`config_overrides` needs `task` retrieval"),
        (ForgettingConfig, {"task": "relearning", "part": "train", "before": "x"}, "set it to test or validation"),
        (ForgettingConfig, {}, "`before` is missing"),
        (ForgettingConfig, {"before": "c3d"}, "`before` is c3d, which has random weights"),
        (ForgettingConfig, {"before": "x", "output_file": "a.md"}, "give a name that ends in .json, such as a.json"),
    ],
)
def test_values_that_contradict_one_another_are_refused_before_anything_is_loaded(kind, values, message):
    with pytest.raises(ValueError, match=message):
        kind(**{"model_name_or_path": "c3d", "dataset": "ucf101", **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "give either `model_type` c3d or r2plus1d"),
        ({"model_type": "c3d", "model_name_or_path": "x"}, "give either `model_type`"),
        ({"model_type": "c3d", "dataset": "shards"}, "`clips_per_epoch` None; shards need it"),
    ],
)
def test_a_pre_training_needs_one_encoder_and_the_length_of_an_epoch_of_shards(values, message):
    with pytest.raises(ValueError, match=message):
        PretrainConfig(**{"dataset_root": "videos", **values})


def test_numbers_of_a_prediction_are_checked():
    with pytest.raises(ValueError, match="`batch_size` is 0; it must be positive"):
        PredictConfig(model_name_or_path="x", batch_size=0)
