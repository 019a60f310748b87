"""Retention logged during a training, which it does not change."""

from __future__ import annotations

import random

import pytest
import torch
from bright_videos import Brightness, GlobalDraws, classifier
from short_training import SETTINGS
from tiny_classifiers import tiny_model
from transformers import TrainerCallback, TrainingArguments

from hf_selfdistill.evaluation.features import PooledFeatures, feature_trainer, video_features
from hf_selfdistill.evaluation.forgetting import accuracies, compare
from hf_selfdistill.evaluation.retention import RetentionCallback
from hf_selfdistill.models.adapters import add_lora
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer


def build(tmp_path, **settings):
    args = SelfDistillationArguments(
        str(tmp_path), **{**SETTINGS, "distill_weight": 1.0, "num_train_epochs": 3, **settings}
    )
    return SelfDistillationTrainer(classifier(), args, train_dataset=GlobalDraws())


def measured(trainer):
    return [row for row in trainer.state.log_history if "eval_reference_knn_top1" in row]


@pytest.fixture
def reference() -> tuple[Brightness, Brightness]:
    return Brightness(30, seed=1), Brightness(24, seed=2)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_training_is_the_same_bit_for_bit(tmp_path, reference, workers):
    runs = []
    for watches in (False, True):
        settings = {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 2}
        trainer = build(tmp_path, **settings, dataloader_num_workers=workers)
        if watches:
            trainer.add_callback(RetentionCallback(trainer, *reference))
        trainer.add_callback(NoteModes(modes := []))
        trainer.train()
        losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
        runs.append((trainer.model.state_dict(), losses, torch.rand(3), random.random(), len(measured(trainer))))
        assert modes == [True] * 3
    (expected, *plain, none), (found, *watched, four) = runs
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert plain[0] == watched[0] and torch.equal(plain[1], watched[1]) and plain[2] == watched[2]
    assert (none, four) == (0, 4)


class NoteModes(TrainerCallback):
    def __init__(self, modes: list[bool]) -> None:
        self.modes = modes

    def on_epoch_end(self, args, state, control, model, **kwargs):
        self.modes.append(model.training and all(parameter.requires_grad for parameter in model.parameters()))


def test_logs_equal_the_comparison_of_both_encoders(tmp_path, reference):
    before, trainer = classifier(), build(tmp_path, learning_rate=1.0, distill_weight=0)
    trainer.add_callback(RetentionCallback(trainer, *reference))
    trainer.train()
    sets = []
    for model in (before, trainer.model):
        args = TrainingArguments(str(tmp_path), use_cpu=True, disable_tqdm=True, per_device_eval_batch_size=5)
        predictor = feature_trainer(PooledFeatures(model), args)
        sets.append([video_features(predictor, clips) for clips in reference])
    expected, (first, *_, last) = compare(*sets), measured(trainer)
    assert first["step"] == 0 and first["eval_retention"] == first["eval_retention_knn"] == 1
    assert last["step"] == trainer.state.max_steps
    for when, row in (("before", first), ("after", last)):
        for name in ("linear_probe_top1", "knn_top1"):
            assert row[f"eval_reference_{name}"] == pytest.approx(expected[when][name]["value"])
    interval = {end: last[f"eval_retention{end and '_'}{end}"] for end in ("", "low", "high")}
    assert interval == pytest.approx({end.replace("value", ""): v for end, v in expected["retention"].items()})
    assert last["eval_retention"] != 1


def test_a_diverging_run_continues_with_a_warning(tmp_path, reference, caplog):
    trainer = build(tmp_path, learning_rate=1e30, max_grad_norm=0, distill_weight=0, on_nan="warn")
    trainer.add_callback(RetentionCallback(trainer, *reference))
    trainer.train()
    assert trainer.state.global_step == trainer.state.max_steps
    assert [row["step"] for row in measured(trainer)] == [0]
    assert any("retention is not measured: the features of" in line for line in caplog.messages)


def test_retention_is_measured_every_few_epochs_and_at_the_end_and_no_log_is_lost(tmp_path, reference):
    trainer = build(tmp_path, logging_strategy="epoch")
    trainer.add_callback(RetentionCallback(trainer, *reference, retention_epochs=2))
    trainer.train()
    assert [row["epoch"] for row in measured(trainer)] == [0, 2, 3]
    assert [row["epoch"] for row in trainer.state.log_history if "loss" in row] == [1, 2, 3]


def test_a_second_training_is_compared_with_the_same_encoder(tmp_path, reference):
    trainer = build(tmp_path, num_train_epochs=1, learning_rate=1.0, distill_weight=0)
    callback = RetentionCallback(trainer, *reference)
    trainer.add_callback(callback)
    trainer.train()
    before = callback.before
    trainer.train()
    assert callback.before is before


def test_unreadable_videos_are_left_out(tmp_path):
    trainer = build(tmp_path)
    callback = RetentionCallback(trainer, Brightness(30, 1, (0, 29)), Brightness(24, 2, (5,)))
    trainer.add_callback(callback)
    trainer.train()
    assert len(callback.before["knn_top1"]) == 23 and "5" not in callback.groups


def test_an_encoder_no_better_than_chance_has_accuracies_and_no_retention(tmp_path, caplog):
    trainer = build(tmp_path, num_train_epochs=1)
    with torch.no_grad():
        for parameter in trainer.model.base_model.parameters():
            parameter.zero_()
    trainer.add_callback(RetentionCallback(trainer, Brightness(30, seed=1), Brightness(24, seed=2)))
    trainer.train()
    assert "includes chance" in caplog.text
    assert all("eval_retention" not in row for row in measured(trainer)) and len(measured(trainer)) == 2


def test_the_encoder_under_adapters_is_measured_with_them(tmp_path, reference):
    model = add_lora(tiny_model("timesformer"), rank=2)
    args = SelfDistillationArguments(str(tmp_path), **{**SETTINGS, "learning_rate": 1.0, "num_train_epochs": 1})
    trainer = SelfDistillationTrainer(model, args, train_dataset=GlobalDraws(4))
    callback = RetentionCallback(trainer, *(FourFrames(clips) for clips in reference))
    trainer.add_callback(callback)
    trainer.train()
    before, after = (PooledFeatures(one) for one in (tiny_model("timesformer"), model.merge_and_unload()))
    found = {}
    for name, encoder in (("before", before), ("after", after)):
        predictor = feature_trainer(encoder, TrainingArguments(str(tmp_path), use_cpu=True, disable_tqdm=True))
        found[name] = [video_features(predictor, clips) for clips in (callback.gallery, callback.queries)]
    shares = [(row["eval_reference_knn_top1"], row["eval_reference_linear_probe_top1"]) for row in measured(trainer)]
    expected = [accuracies(*found[name]) for name in ("before", "after")]
    assert shares == [
        tuple(right[name].double().mean().item() for name in ("knn_top1", "linear_probe_top1")) for right in expected
    ]
    assert not torch.equal(found["before"][0].features, found["after"][0].features)


class FourFrames(Brightness):
    def __init__(self, clips: Brightness) -> None:
        super().__init__(len(clips), clips.seed)

    def read(self, index: int) -> list[torch.Tensor]:
        return [clip[:4] for clip in super().read(index)]


def test_zero_epochs_are_refused(tmp_path, reference):
    with pytest.raises(ValueError, match="`retention_epochs` is 0"):
        RetentionCallback(build(tmp_path), *reference, retention_epochs=0)
