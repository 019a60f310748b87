import logging

import pytest
from transformers import TrainerControl, TrainerState

from hf_selfdistill.self_distillation.callbacks import CollapseWarningCallback


def log_all(arguments, rows):
    callback, state = CollapseWarningCallback(), TrainerState()
    for row in rows:
        state.log_history.append(row)
        callback.on_log(arguments(distill_weight=50.0), state, TrainerControl(), row)


def row(spread, ce=1.0):
    return {"feature_std": spread, "ce_loss": ce, "distill_loss": 0.1}


def test_collapsed_features_are_warned_of_once_with_the_cure(arguments, caplog):
    with caplog.at_level(logging.WARNING):
        log_all(arguments, [row(2.0), row(0.5), row(0.09), row(0.01)])
    assert len(caplog.messages) == 1
    assert "fell from 2 to 0.09" in caplog.text and "`distill_weight` (now 50)" in caplog.text


def test_spread_above_the_threshold_is_not_warned_of(arguments, caplog):
    with caplog.at_level(logging.WARNING):
        log_all(arguments, [row(2.0), row(0.11), {"eval_loss": 1.0}])
    assert not caplog.messages


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_warned_of(arguments, caplog, bad):
    with caplog.at_level(logging.WARNING):
        log_all(arguments, [row(2.0), row(2.0, ce=bad)])
    assert "A loss is not finite" in caplog.text


def test_training_with_a_huge_weight_and_no_clipping_is_warned_of(make_trainer, caplog):
    trainer = make_trainer(distill_weight=1e6, max_grad_norm=0.0, learning_rate=0.5, on_nan="warn")
    with caplog.at_level(logging.WARNING):
        trainer.train()
    assert "no longer distinguishes clips" in caplog.text


@pytest.mark.parametrize(
    ("batch", "update", "interval", "warned"),
    [
        (8, "epoch", None, "An epoch has a single step"),
        (2, "epoch", None, ""),
        (8, "frozen", None, ""),
        (2, "steps", 1, "`teacher_update_steps` is 1"),
        (2, "steps", 2, ""),
    ],
)
def test_a_teacher_that_always_equals_the_student_is_warned_of(make_trainer, caplog, batch, update, interval, warned):
    trainer = make_trainer(
        distill_weight=10.0,
        teacher_update=update,
        teacher_update_steps=interval,
        per_device_train_batch_size=batch,
        num_train_epochs=2,
        logging_steps=1,
    )
    with caplog.at_level(logging.WARNING):
        trainer.train()
    assert warned in caplog.text and ("always equals the student" in caplog.text) == bool(warned)
    distances = [log["distill_loss"] for log in trainer.state.log_history if "distill_loss" in log]
    assert (max(distances) == 0) == bool(warned)
