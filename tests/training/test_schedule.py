import pytest
import torch

from hf_selfdistill.training.schedule import epoch_schedule


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


@pytest.mark.parametrize(("steps", "epochs"), [(3, 18), (7, 9)])
def test_thirds_equals_torchs_steps_of_a_third_of_the_epochs(steps, epochs):
    expected = reference(lambda o: torch.optim.lr_scheduler.StepLR(o, epochs // 3, 0.1), steps, epochs)
    assert rates("thirds", steps, epochs) == pytest.approx(expected, rel=1e-6)
