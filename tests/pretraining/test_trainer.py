import copy
import json

import pytest
import torch
from torch.utils.data import default_collate
from transformers import AutoModel, AutoModelForVideoClassification, AutoVideoProcessor, Trainer

from hf_selfdistill import C3DModel, PretrainingTrainer
from hf_selfdistill.pretraining.objective import OBJECTIVE_NAME


def state(trainer):
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]


def logged(trainer, name):
    return [log[name] for log in trainer.state.log_history if name in log]


def test_training_moves_encoder_heads_keys_and_queue_and_logs_the_metrics(make_trainer):
    trainer = make_trainer()
    before = state(trainer)
    trainer.train()
    after = state(trainer)
    for part in ("encoder.stages.0.layers.0.conv.weight", "heads.speed.weight", "key_heads.speed.weight", "queue"):
        assert not torch.equal(before[part], after[part]), part
    for name in ("speed_accuracy", "instance_top1", "speed_loss", "instance_loss"):
        assert len(logged(trainer, name)) == 6
    for loss, speed, instance in zip(
        *(logged(trainer, n) for n in ("loss", "speed_loss", "instance_loss")), strict=True
    ):
        assert loss == pytest.approx(speed + instance, rel=1e-4)


def test_metrics_are_means_over_the_logging_window(make_trainer):
    each, all_ = make_trainer(num_train_epochs=1), make_trainer(num_train_epochs=1, logging_steps=3)
    each.train()
    all_.train()
    for name in ("speed_accuracy", "instance_loss"):
        assert logged(all_, name) == [pytest.approx(sum(logged(each, name)) / 3, rel=1e-5)]


def test_the_last_metrics_are_among_the_results_of_the_training(make_trainer):
    trainer = make_trainer(logging_steps=1, max_steps=2)
    results = trainer.train().metrics
    last = [entry for entry in trainer.state.log_history if "loss" in entry][-1]
    assert results["train_speed_accuracy"] == last["speed_accuracy"]


def test_what_is_saved_is_a_plain_encoder_with_the_objective_beside_it(make_trainer, tmp_path, tiny_objective):
    trainer = make_trainer()
    trainer.train()
    trainer.save_model(tmp_path / "saved")
    encoder, report = AutoModel.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert type(encoder) is C3DModel and not (report["missing_keys"] or report["unexpected_keys"])
    assert_same(encoder.state_dict(), trainer.model.encoder.state_dict())
    _, report = AutoModelForVideoClassification.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert report["missing_keys"] == {"classifier.weight", "classifier.bias"}
    AutoVideoProcessor.from_pretrained(tmp_path / "saved")
    other = tiny_objective()
    other.encoder.load_state_dict(encoder.state_dict())
    other.load(tmp_path / "saved")
    assert_same(other.state_dict(), state(trainer))


@pytest.mark.parametrize("step", [1, 3, 4])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(make_trainer, tmp_path, step):
    whole = make_trainer(save_strategy="steps", save_steps=1, output_dir=str(tmp_path / "whole"))
    whole.train()
    resumed = make_trainer(output_dir=str(tmp_path / "resumed"))
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / f"checkpoint-{step}"))
    assert_same(state(resumed), state(whole))
    assert logged(resumed, "loss")[-1] == logged(whole, "loss")[-1]


def test_a_checkpoint_without_its_objective_is_refused(make_trainer, tmp_path):
    make_trainer(save_strategy="steps", save_steps=2, output_dir=str(tmp_path / "whole")).train()
    checkpoint = tmp_path / "whole" / "checkpoint-2"
    (checkpoint / "manifest.json").unlink()  # as an earlier version made it
    (checkpoint / OBJECTIVE_NAME).unlink()
    with pytest.raises(ValueError, match="the objective can't be restored"):
        make_trainer(output_dir=str(tmp_path / "resumed")).train(resume_from_checkpoint=str(checkpoint))


def test_keys_follow_once_per_optimiser_step_under_accumulation(make_trainer, monkeypatch):
    trainer = make_trainer(gradient_accumulation_steps=3, num_train_epochs=1)
    steps = []
    monkeypatch.setattr(trainer.model, "begin_step", lambda: steps.append(trainer.state.global_step))
    trainer.train()
    assert steps == [0]


def test_accumulated_gradients_are_means(make_trainer, windows, tiny_objective):
    trainer = make_trainer(gradient_accumulation_steps=3, num_train_epochs=1, max_grad_norm=0, learning_rate=0.1)
    reference = tiny_objective(key_momentum=1.0)
    trainer.model.arguments.key_momentum = 1.0
    order = list(trainer.get_train_dataloader())
    trainer = make_trainer(
        copy.deepcopy(trainer.model),
        gradient_accumulation_steps=3,
        num_train_epochs=1,
        max_grad_norm=0,
        learning_rate=0.1,
    )
    seen = []
    forward = trainer.model.forward
    trainer.model.forward = lambda **batch: (seen.append({k: v.clone() for k, v in batch.items()}), forward(**batch))[
        1
    ]
    before = trainer.model.heads["speed"].weight.detach().clone()
    trainer.train()
    assert len(seen) == len(order) == 3
    for batch in seen:
        (reference(**batch).loss / 3).backward()
    expected = before - 0.1 * reference.heads["speed"].weight.grad
    assert torch.allclose(trainer.model.heads["speed"].weight, expected, atol=1e-6)


@pytest.mark.parametrize(("batch", "accumulation", "expected"), [(4, 1, 0.05 * 4 / 64), (4, 3, 0.05 * 12 / 64)])
def test_the_learning_rate_is_scaled_to_the_videos_of_a_step(make_trainer, arguments, batch, accumulation, expected):
    flags = dict(
        per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation, learning_rate_batch_size=64
    )
    trainer = make_trainer(**flags)
    assert trainer.create_optimizer().param_groups[0]["lr"] == pytest.approx(expected)
    args = arguments(**flags)
    assert args.scaled_learning_rate == pytest.approx(expected) and args.learning_rate == 0.05


def test_every_parameter_that_is_trained_decays(make_trainer):
    trainer = make_trainer(weight_decay=0.1)
    groups = [group for group in trainer.create_optimizer().param_groups if group["params"]]
    assert {group["weight_decay"] for group in groups} == {0.1}
    trained = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    assert sum(len(group["params"]) for group in groups) == len(trained)


def test_evaluation_changes_nothing_and_names_its_metrics(make_trainer, windows):
    trainer = make_trainer(eval_videos=6, per_device_eval_batch_size=4)
    before = state(trainer)
    metrics = trainer.evaluate()
    assert_same(state(trainer), before)
    objective = trainer.model.eval()
    batches = [default_collate([windows(6)[i] for i in part]) for part in (range(4), range(4, 6))]
    outputs = [objective(**batch) for batch in batches]
    right = torch.cat([output.metrics["speed_accuracy"] for output in outputs])
    assert metrics["eval_speed_accuracy"] == pytest.approx(right.mean().item())
    assert {"eval_loss", "eval_instance_top1"} <= metrics.keys()


def test_the_same_evaluation_gives_the_same_figures_during_training(make_trainer):
    trainer = make_trainer(eval_videos=4, eval_strategy="epoch")
    trainer.train()
    assert len(logged(trainer, "eval_speed_accuracy")) == 2
    assert json.dumps(logged(trainer, "speed_accuracy"))  # the two kinds are kept apart
    assert trainer.evaluate()["eval_loss"] == pytest.approx(logged(trainer, "eval_loss")[-1])


def test_a_run_that_diverges_is_said_once_though_the_trainer_logs_a_loss_of_0(make_trainer, caplog):
    make_trainer(learning_rate=1e30, max_grad_norm=0, logging_steps=1, on_nan="warn").train()
    (line,) = [line for line in caplog.messages if "diverged" in line]
    assert "The loss is not finite at step" in line and "`learning_rate` (now 1e+30)" in line


def test_too_small_a_batch_is_refused_before_anything_is_trained(make_trainer):
    with pytest.raises(ValueError, match="at least 2 videos per process"):
        make_trainer(per_device_train_batch_size=1)


def test_the_private_names_of_the_trainer_that_it_relies_on_exist():
    for name in ("_save", "_load_from_checkpoint", "_prepare_inputs"):
        assert name in vars(Trainer), name
    assert "_save" in vars(PretrainingTrainer)
