"""The promises of a correct teacher, for the video classifiers of transformers."""

from __future__ import annotations

import pytest
import torch
from tiny_classifiers import ARCHITECTURES, CLASSES, FRAMES, SIZE, tiny_model
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from hf_selfdistill.models.adapters import add_lora
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

IGNORE_NUM_ITEMS = ("timesformer", "vjepa2")  # their loss is a mean over the batch, whatever they are handed
LORA = "videomae+lora"
MODELS = (*ARCHITECTURES, LORA)


def model_named(name):
    architecture, _, adapters = name.partition("+")
    model = tiny_model(architecture)
    return add_lora(model, rank=2) if adapters else model


class NoisyClips(Dataset):
    """Clips of noise, always the same, under the name that a model gives to its input."""

    def __init__(self, input_name, length=12, dtype=torch.float32):
        generator = torch.Generator().manual_seed(3)
        self.input_name = input_name
        self.labels = torch.arange(length) % CLASSES
        clips = torch.randn(length, FRAMES, 3, SIZE, SIZE, generator=generator)
        self.clips = (clips + self.labels.view(-1, 1, 1, 1, 1) / 3).to(dtype)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {self.input_name: self.clips[index], "labels": self.labels[index]}


@pytest.fixture
def train(arguments):
    def run(name, double=False, resume=None, callbacks=(), length=12, **overrides):
        model = model_named(name)
        clips = NoisyClips(model.main_input_name, length, torch.float64 if double else torch.float32)
        args = arguments(**{"num_train_epochs": 2, **overrides})
        trainer = SelfDistillationTrainer(model.double() if double else model, args, train_dataset=clips)
        for callback in callbacks:
            trainer.add_callback(callback(trainer))
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    return run


def largest_difference(one, other):
    one, other = one.state_dict(), other.state_dict()
    assert one.keys() == other.keys()
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


class WatchTeacher(TrainerCallback):
    """Keeps the teacher's weights as they are at the begin of each step."""

    def __init__(self, trainer):
        self.trainer = trainer
        trainer.watched = self.steps = []

    def on_step_begin(self, args, state, control, **kwargs):
        self.steps.append({name: value.clone() for name, value in self.trainer.teacher.encoder.state_dict().items()})


@pytest.mark.parametrize("name", MODELS)
def test_the_distance_is_exactly_0_at_an_epochs_first_step_and_at_no_other(train, name):
    trainer = train(name)
    distances = [log["distill_loss"] for log in trainer.state.log_history if "distill_loss" in log]
    assert len(distances) == 6
    assert distances[0] == distances[3] == 0
    assert all(distances[i] > 0 for i in (1, 2, 4, 5))


@pytest.mark.parametrize("name", MODELS)
def test_the_teacher_rests_within_an_epoch_and_is_renewed_between_two(train, name):
    first, second, third, fourth, *_ = train(name, callbacks=[WatchTeacher]).watched
    for key in first:
        assert torch.equal(first[key], second[key]) and torch.equal(first[key], third[key])
    assert any(not torch.equal(first[key], fourth[key]) for key in first)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_without_weight_the_run_is_the_plain_trainers_with_a_correctly_scaled_loss_bit_for_bit(train, name, tmp_path):
    accumulated = {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4}
    mine = train(name, distill_weight=0, length=16, **accumulated)
    model = tiny_model(name)
    if name in IGNORE_NUM_ITEMS:
        model.accepts_loss_kwargs = False
    args = TrainingArguments(
        str(tmp_path / "plain"),
        num_train_epochs=2,
        learning_rate=0.05,
        optim="sgd",
        optim_args="momentum=0.9",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        **accumulated,
    )
    plain = Trainer(model, args, train_dataset=NoisyClips(model.main_input_name, 16))
    plain.train()
    assert mine.teacher is None
    assert largest_difference(tiny_model(name), plain.model) > 0
    assert largest_difference(mine.model, plain.model) == 0


@pytest.mark.parametrize("name", MODELS)
def test_one_batch_of_four_equals_four_accumulated_batches_of_one(train, name):
    one = train(name, double=True, per_device_train_batch_size=4)
    four = train(name, double=True, per_device_train_batch_size=1, gradient_accumulation_steps=4)
    assert largest_difference(one.model, four.model) <= 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_a_run_resumed_within_an_epoch_ends_as_the_uninterrupted_one_bit_for_bit(train, name, tmp_path):
    settings = {"save_strategy": "steps", "save_steps": 1}
    whole = train(name, output_dir=str(tmp_path / "whole"), **settings)
    checkpoint = str(tmp_path / "whole" / "checkpoint-4")  # three steps per epoch
    resumed = train(name, output_dir=str(tmp_path / "resumed"), resume=checkpoint, **settings)
    assert largest_difference(model_named(name), whole.model) > 0
    assert largest_difference(whole.model, resumed.model) == 0
    assert largest_difference(whole.teacher.encoder, resumed.teacher.encoder) == 0


def test_with_adapters_only_they_and_the_head_are_trained(train):
    before, trainer = model_named(LORA).state_dict(), train(LORA)
    moved = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    assert {name for name in moved if ".lora_" not in name} == {
        "base_model.model.classifier.modules_to_save.default.weight",
        "base_model.model.classifier.modules_to_save.default.bias",
    }
    assert len(moved) > 10


def test_adapters_are_refused_with_reentrant_checkpointing_which_gives_them_no_gradient(train):
    checkpointing = {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}}
    with pytest.raises(ValueError, match=r"use_reentrant true, which gives low-rank adapters .* no gradient; omit it"):
        train(LORA, **checkpointing)


def test_the_best_checkpoint_comes_back_whole_though_it_is_written_under_other_names(train, tmp_path):
    trainer = train("videomae", save_strategy="steps", save_steps=6)
    trained = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    for parameter in trainer.model.parameters():
        parameter.data.zero_()
    trainer.state.best_model_checkpoint = str(tmp_path / "run" / "checkpoint-6")
    trainer._load_best_model()
    assert all(torch.equal(value, trained[name]) for name, value in trainer.model.state_dict().items())
