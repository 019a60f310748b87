"""Uses of transformers' Trainer beside the labels: with λ = 0 they are as under the plain Trainer."""

from __future__ import annotations

import pytest
import torch
from random_clips import RandomClips
from torch.nn import functional as F
from torch.utils.data import IterableDataset, SequentialSampler
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback

from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

OURS_OR_TIMES = ("ce_loss", "feature_std", "runtime", "per_second")
EVENTS = [name for name in vars(TrainerCallback) if name.startswith("on_")]
EVERY_EPOCH = {"eval_strategy": "epoch", "save_strategy": "epoch"}


class Stream(IterableDataset):
    def __iter__(self):
        clips = RandomClips(14)
        return (clips[index] for index in range(len(clips)))


class Recorder(TrainerCallback):
    def __init__(self):
        self.events = []
        for name in EVENTS:
            setattr(self, name, lambda args, state, *_, name=name, **__: self.events.append((name, state.global_step)))


def in_order(trainer_class):
    return type(
        "InOrder", (trainer_class,), {"_get_train_sampler": lambda self, *_: SequentialSampler(self.train_dataset)}
    )


def halved(outputs, labels, num_items_in_batch=None):
    loss = F.cross_entropy(outputs.logits, labels, reduction="sum") / 2
    return loss / (len(labels) if num_items_in_batch is None else num_items_in_batch)


def inputs_and_losses(prediction):
    return {"inputs": float(prediction.inputs.mean()), "losses": float(prediction.losses.sum())}


# Arguments of the training, and of the trainer.
USES = {
    "another loss": ({"gradient_accumulation_steps": 3}, lambda: {"compute_loss_func": halved}),
    "no mean over processes": ({"average_tokens_across_devices": False, "gradient_accumulation_steps": 2}, dict),
    "a stream": ({"max_steps": 5}, lambda: {"train_dataset": Stream()}),
    "another sampler": ({}, dict),
    "evaluation at the start": ({"eval_on_start": True, "eval_strategy": "steps", "eval_steps": 2}, dict),
    "metrics of inputs and losses": (
        {"include_for_metrics": ["inputs", "loss"], "eval_strategy": "epoch"},
        lambda: {"compute_metrics": inputs_and_losses},
    ),
    "the best on one of two sets": (
        {"load_best_model_at_end": True, "metric_for_best_model": "b_loss", "learning_rate": 1.0, **EVERY_EPOCH},
        lambda: {"eval_dataset": {"a": RandomClips(8), "b": RandomClips(16)}},
    ),
    "an early stop": (
        {"load_best_model_at_end": True, "learning_rate": 1.0, "num_train_epochs": 6, **EVERY_EPOCH},
        lambda: {"callbacks": [EarlyStoppingCallback(1)]},
    ),
    "a schedule by the evaluation": ({"lr_scheduler_type": "reduce_lr_on_plateau", "eval_strategy": "epoch"}, dict),
    "another optimiser": ({"optim": "adafactor", "optim_args": None}, dict),
}


@pytest.mark.parametrize("use", USES)
def test_without_weight_weights_logs_and_events_are_those_of_the_plain_trainer(
    tiny_classifier, arguments, tmp_path, use
):
    settings, of_trainer = USES[use]
    found = []
    for kind in (Trainer, SelfDistillationTrainer):
        folder = {"output_dir": str(tmp_path / kind.__name__), "distill_weight": 0, "num_train_epochs": 2}
        recorder, given = (
            Recorder(),
            {"train_dataset": RandomClips(14), "eval_dataset": RandomClips(8), **of_trainer()},
        )
        given["callbacks"] = [*given.get("callbacks", []), recorder]
        trainer_class = in_order(kind) if use == "another sampler" else kind
        trainer = trainer_class(tiny_classifier(), arguments(**{**folder, **settings}), **given)
        trainer.train()
        logs = [{k: v for k, v in log.items() if not k.endswith(OURS_OR_TIMES)} for log in trainer.state.log_history]
        found.append((trainer.model.state_dict(), logs, recorder.events))
    (weights, *plain), (ours, *mine) = found
    assert mine == plain
    assert all(torch.equal(value, ours[name]) for name, value in weights.items())
