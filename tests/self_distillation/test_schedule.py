import pytest
import torch

from hf_selfdistill.self_distillation.schedule import epoch_schedule, weight_factor


def rates(name, steps_per_epoch, epochs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = epoch_schedule(name, optimizer, steps_per_epoch * epochs, epochs)
    seen = []
    for _ in range(steps_per_epoch * epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def reference(make, steps_per_epoch, epochs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = make(optimizer)
    seen = []
    for _ in range(epochs):
        seen += [optimizer.param_groups[0]["lr"]] * steps_per_epoch
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize(("steps", "epochs"), [(3, 10), (7, 100), (1, 30)])
def test_cosine_equals_torchs_stepped_once_per_epoch(steps, epochs):
    expected = reference(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, epochs, eta_min=1e-4), steps, epochs)
    assert rates("cosine", steps, epochs) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("steps", "epochs"), [(3, 10), (7, 100)])
def test_multi_step_equals_torchs_with_milestones_at_50_70_and_90_percent(steps, epochs):
    milestones = [epochs * n // 10 for n in (5, 7, 9)]
    expected = reference(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, milestones, 0.1), steps, epochs)
    assert rates("multi_step", steps, epochs) == pytest.approx(expected, rel=1e-6)


def test_the_trainer_uses_it(make_trainer):
    trainer = make_trainer(epoch_lr_schedule="multi_step", num_train_epochs=2)
    trainer.train()
    rates = [log["learning_rate"] for log in trainer.state.log_history if "learning_rate" in log]
    assert rates == pytest.approx([0.05] * 3 + [0.005] * 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("constant", [1, 1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0.25, 0]), ("cosine", [1, 0.853553, 0.5, 0.146447, 0])],
)
def test_the_weight_fades_as_its_schedule_says(name, expected):
    assert [weight_factor(name, i / 4) for i in range(5)] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["constant", "cosine"])
def test_a_step_outside_of_a_run_has_the_full_weight(make_trainer, name):
    trainer = make_trainer(distill_weight=3.0, distill_weight_schedule=name)
    sample = trainer.train_dataset[0]
    batch = {"pixel_values": sample["pixel_values"][None].repeat(2, 1, 1, 1, 1), "labels": sample["labels"].repeat(2)}
    assert trainer.training_step(trainer.model, batch, num_items_in_batch=2).isfinite()
    assert trainer.distill_weight == 3.0


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_the_trainer_weighs_the_distance_by_the_schedule_and_logs_the_weight(make_trainer, name):
    trainer = make_trainer(distill_weight=3.0, distill_weight_schedule=name)
    trainer.train()
    logs = [log for log in trainer.state.log_history if "ce_loss" in log]
    for step, log in enumerate(logs):
        weight = 3.0 * weight_factor(name, step / 9)
        assert log["loss"] == pytest.approx(log["ce_loss"] + weight * log["distill_loss"], rel=1e-5)
        assert log["distill_weight"] == pytest.approx(3.0 * weight_factor(name, (step + 1) / 9))
