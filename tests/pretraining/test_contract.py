"""What the trainer owes any objective, and what an objective's file must be; see `test_trainer.py` for RSPNet."""

from __future__ import annotations

import json

import pytest
import torch
from brightness import (
    Brightness,
    BrightnessArguments,
    Clips,
    arguments,
    differing,
    state_of,
    tiny_encoder,
    tiny_processor,
)
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import default_collate
from transformers import AutoModel
from transformers.modeling_layers import GradientCheckpointingLayer

from hf_selfdistill.pretraining.objective import OBJECTIVE_NAME
from hf_selfdistill.pretraining.trainer import PretrainingTrainer
from hf_selfdistill.training.trainer import VideoTrainer


@pytest.fixture
def make(tmp_path):
    def build(encoder="c3d", videos=12, eval_videos=0, folder="run", processor=True, **settings):
        return PretrainingTrainer(
            Brightness(tiny_encoder(encoder)),
            arguments(tmp_path / folder, **settings),
            train_dataset=Clips(videos, encoder),
            eval_dataset=Clips(eval_videos, encoder) if eval_videos else None,
            processing_class=tiny_processor() if processor else None,
        )

    return build


def logged(trainer, name):
    return [log[name] for log in trainer.state.log_history if name in log]


def close(one, other, tolerance=1e-5):
    return all(torch.allclose(one[name].double(), other[name].double(), atol=tolerance) for name in one)


def test_a_step_begins_once_per_optimiser_step_and_what_it_counts_is_saved(make, tmp_path):
    trainer = make(per_device_train_batch_size=2, gradient_accumulation_steps=3)
    trainer.train()
    assert trainer.state.global_step == 4
    trainer.save_model(str(tmp_path / "saved"))
    saved = load_file(tmp_path / "saved" / OBJECTIVE_NAME)
    assert saved["steps_begun"] == 4 and saved["videos_seen"] == 24
    assert saved.keys() == {"steps_begun", "videos_seen", "head.weight", "head.bias"}


@pytest.mark.parametrize("videos", [12, 10], ids=["even", "ragged"])
def test_accumulated_batches_of_one_are_one_batch_of_four(make, videos):
    runs = [
        make(
            "vivit",
            videos,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=times,
            dataloader_drop_last=False,
        )
        for size, times in ((4, 1), (1, 4))
    ]
    states = []
    for trainer in runs:
        trainer.train()
        states.append({n: v for n, v in state_of(trainer.model).items() if n not in ("steps_begun", "videos_seen")})
    assert close(*states) and differing(*states)  # other sums, the same means
    for name in ("loss", "error"):
        assert logged(runs[0], name) == pytest.approx(logged(runs[1], name), rel=1e-4)


def test_metrics_are_means_over_the_videos_of_the_window_ragged_batches_too(make):
    trainer = make(videos=10, learning_rate=0.0, num_train_epochs=1, logging_steps=3, dataloader_drop_last=False)
    trainer.train()
    # Without a learning rate only BatchNorm's batches tell: the same, in the order that the trainer took them.
    objective = Brightness(tiny_encoder()).train()
    batches = [default_collate([Clips(10)[i] for i in part]) for part in batches_of(trainer)]
    errors = torch.cat([objective(**batch).metrics["error"] for batch in batches])
    assert [len(batch["clips"]) for batch in batches] == [4, 4, 2] and len(errors) == 10
    assert logged(trainer, "error") == [pytest.approx(errors.mean().item(), rel=1e-4)]


def batches_of(trainer):
    """Numbers of the videos of each batch of the first epoch."""
    numbers = {round(Clips(10)[i]["brightness"].item(), 5): i for i in range(10)}
    fresh = PretrainingTrainer(
        Brightness(tiny_encoder()), trainer.args, train_dataset=Clips(10), processing_class=tiny_processor()
    )
    seen = []
    loss = fresh.compute_loss
    fresh.compute_loss = lambda model, inputs, **kwargs: (
        seen.append([numbers[round(value, 5)] for value in inputs["brightness"].tolist()]),
        loss(model, inputs, **kwargs),
    )[1]
    fresh.train()
    return seen


def test_evaluation_changes_neither_the_objective_nor_the_run(make):
    plain, evaluated = make(), make(eval_videos=5, eval_strategy="steps", eval_steps=1, folder="evaluated")
    plain.train()
    evaluated.train()
    assert len(logged(evaluated, "eval_error")) == 6
    assert not differing(state_of(plain.model), state_of(evaluated.model))
    assert logged(plain, "loss") == logged(evaluated, "loss") and logged(plain, "error") == logged(evaluated, "error")
    before = state_of(evaluated.model)
    metrics = evaluated.evaluate(metric_key_prefix="held_out")
    assert {"held_out_loss", "held_out_error"} <= metrics.keys()
    assert not differing(before, state_of(evaluated.model))


def test_predicting_gives_the_metrics_too(make):
    metrics = make().predict(Clips(6)).metrics
    assert {"test_loss", "test_error"} <= metrics.keys()


def test_the_best_checkpoint_comes_back_with_its_heads(make, tmp_path):
    trainer = make(eval_videos=4, eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True)
    trainer.train()
    best = trainer.state.best_model_checkpoint
    other = Brightness(AutoModel.from_pretrained(best))
    other.load(best)
    assert not differing(state_of(other), state_of(trainer.model))


def test_without_a_processor_the_encoder_is_saved_alone(make, tmp_path):
    make(processor=False, save_strategy="epoch").train()
    names = {file.name for file in (tmp_path / "run" / "checkpoint-3").iterdir()}
    assert {"config.json", "model.safetensors", OBJECTIVE_NAME} <= names
    assert "video_preprocessor_config.json" not in names


def test_a_model_card_can_be_made_for_the_hub(make, tmp_path):
    trainer = make(num_train_epochs=1)
    trainer.train()
    trainer.create_model_card()
    assert (tmp_path / "run" / "README.md").read_text()


@pytest.mark.parametrize("encoder", ["c3d", "vivit"])
def test_activation_checkpointing_reaches_the_encoder_and_changes_nothing(make, encoder):
    plain = make(encoder)
    checkpointed = make(encoder, gradient_checkpointing=True, folder="checkpointed")
    plain.train()
    checkpointed.train()
    for trainer in (plain, checkpointed):
        layers = [layer for layer in trainer.model.modules() if isinstance(layer, GradientCheckpointingLayer)]
        assert layers and all(layer.gradient_checkpointing == (trainer is checkpointed) for layer in layers)
    assert close(state_of(plain.model), state_of(checkpointed.model))


@pytest.mark.parametrize(
    "way", [{"bf16": True}, {"torch_compile": True, "torch_compile_backend": "eager"}], ids=["bf16", "compile"]
)
def test_it_trains_and_logs_its_metrics_in(make, way):
    plain, other = make("vivit", max_steps=2), make("vivit", max_steps=2, folder="other", **way)
    plain.train()
    other.train()
    tolerance = 1e-4 if "torch_compile" in way else 0.2
    assert logged(other, "error") == pytest.approx(logged(plain, "error"), rel=tolerance)


def test_synchronised_batch_norm_is_trained_and_saved_as_plain(make, tmp_path):
    trainer = make(sync_batch_norm=True)
    trainer.train()
    kinds = {type(module) for module in trainer.model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)}
    assert kinds == {nn.SyncBatchNorm}
    trainer.save_model(str(tmp_path / "saved"))
    loaded = AutoModel.from_pretrained(tmp_path / "saved")
    assert not any(isinstance(module, nn.SyncBatchNorm) for module in loaded.modules())
    assert not differing(state_of(loaded), state_of(trainer.model.encoder))


@pytest.fixture
def saved(tmp_path):
    Brightness(tiny_encoder()).save(tmp_path)
    return tmp_path


def test_an_objective_trained_with_other_arguments_is_refused_by_their_name(saved):
    with pytest.raises(ValueError, match=rf"{OBJECTIVE_NAME} \(it was trained with `weight` 1.0, not 2.0\)"):
        Brightness(tiny_encoder(), BrightnessArguments(weight=2.0)).load(saved)


def test_a_file_of_nobodys_weights_is_refused_in_one_line(saved):
    for about in (None, {"format": "pt"}):
        save_file({"a": torch.zeros(2)}, saved / OBJECTIVE_NAME, about)
        with pytest.raises(ValueError, match="its objective is unknown, not brightness") as refused:
            Brightness(tiny_encoder()).load(saved)
        assert "\n" not in str(refused.value)


def test_a_weight_of_another_shape_is_refused_and_nothing_loaded(saved):
    about = {"objective": "brightness", "arguments": json.dumps({"weight": 1.0})}
    weights = load_file(saved / OBJECTIVE_NAME)
    save_file({**weights, "head.bias": torch.zeros(2)}, saved / OBJECTIVE_NAME, about)
    objective = Brightness(tiny_encoder())
    before = state_of(objective)
    with pytest.raises(ValueError, match=r"its head.bias has shape \(2,\), not \(1,\)"):
        objective.load(saved)
    assert not differing(before, state_of(objective))


def test_fsdp_is_refused_with_what_to_use(make, monkeypatch):
    begin = VideoTrainer.__init__

    def under_fsdp(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        self.is_fsdp_enabled = True  # which on CPUs nothing sets

    monkeypatch.setattr(VideoTrainer, "__init__", under_fsdp)
    with pytest.raises(ValueError, match=r"`fsdp` is not supported in pre-training; use DDP"):
        make()
