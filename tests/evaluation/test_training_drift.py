from __future__ import annotations

import copy

import torch
from bright_videos import Brightness, GlobalDraws, classifier
from short_training import SETTINGS

from hf_selfdistill.evaluation.features import PooledFeatures
from hf_selfdistill.evaluation.forgetting import drift
from hf_selfdistill.evaluation.training_drift import DriftCallback
from hf_selfdistill.evaluation.training_features import features_in_training
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.trainer import VideoTrainer


def trained(tmp_path, **settings):
    args = VideoTrainingArguments(str(tmp_path), **{**SETTINGS, "num_train_epochs": 2, **settings})
    trainer = VideoTrainer(classifier(), args, train_dataset=GlobalDraws())
    start, clips = copy.deepcopy(trainer.model), Brightness(12, seed=1)
    trainer.add_callback(DriftCallback(trainer, clips))
    trainer.train()
    return trainer, start, clips


def test_the_drift_is_that_between_the_models_before_and_after(tmp_path):
    trainer, start, clips = trained(tmp_path)
    sets = features_in_training(trainer, clips, PooledFeatures(start), PooledFeatures(trainer.model))
    expected = drift(*sets)
    found = trainer.found["drift"]
    assert found == {**{name: expected[name] for name in expected if name != "layers"}, "num_videos": 12}
    assert found["relative_l2"]["value"] > 0.01
    logged = trainer.state.log_history[-1]
    assert logged["eval_drift_cka"] == found["cka"]["value"]
    assert logged["eval_drift_relative_l2"] == found["relative_l2"]["value"]


def test_the_training_is_the_same_bit_for_bit(tmp_path):
    trainer, start, _ = trained(tmp_path / "with")
    plain = VideoTrainer(start, trainer.args, train_dataset=GlobalDraws())
    plain.train()
    weights = plain.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in trainer.model.state_dict().items())


def test_a_diverged_encoder_has_no_drift_and_a_warning(tmp_path, caplog):
    trainer, _, _ = trained(tmp_path, learning_rate=0.0, max_steps=1)
    callback = next(own for own in trainer.callback_handler.callbacks if isinstance(own, DriftCallback))
    trainer.found.clear()
    next(trainer.model.encoder.parameters()).data.fill_(float("nan"))
    callback.on_train_end(trainer.args, trainer.state, trainer.control, model=trainer.model)
    assert "The drift is not measured" in caplog.text and trainer.found == {}


def test_few_videos_have_no_cka(tmp_path):
    args = VideoTrainingArguments(str(tmp_path), **{**SETTINGS, "max_steps": 1})
    trainer = VideoTrainer(classifier(), args, train_dataset=GlobalDraws())
    trainer.add_callback(DriftCallback(trainer, Brightness(3, seed=1)))
    trainer.train()
    assert trainer.found["drift"]["cka"] is None and "eval_drift_cka" not in trainer.state.log_history[-1]
