from __future__ import annotations

import copy

import pytest
import torch
from transformers import TrainerCallback

from hf_selfdistill.regularizers.run_average import RunAverageCallback

WAYS = [{"decay": 0.8}, {"start": 0.5}]


class Trajectory(TrainerCallback):
    """Keeps the weights after each step."""

    def __init__(self):
        self.steps = []

    def on_step_end(self, args, state, control, model, **kwargs):
        self.steps.append({name: value.detach().clone() for name, value in model.state_dict().items()})


def averaged(trainer_of, model, way, folder="out", resume=None, **settings):
    trainer = trainer_of(model, folder, **{"num_train_epochs": 4, **settings})
    trainer.add_callback(RunAverageCallback(trainer, **way))
    trajectory = Trajectory()
    trainer.add_callback(trajectory)
    trainer.train(resume_from_checkpoint=resume)
    return trajectory.steps


def expected(steps, name, way):
    if "start" in way:  # 8 steps, 2 an epoch: the ends of epochs 2, 3 and 4
        return (steps[3][name] + steps[5][name] + steps[7][name]) / 3
    decay = way["decay"]
    weights = [decay**7, *((1 - decay) * decay ** (7 - step) for step in range(1, 8))]
    return sum(weight * step[name] for weight, step in zip(weights, steps, strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_the_model_becomes_the_average_of_its_trajectory(classifier, trainer_of, way):
    steps = averaged(trainer_of, classifier, way)
    for name, value in classifier.state_dict().items():
        wanted = expected(steps, name, way) if value.is_floating_point() else steps[-1][name]
        torch.testing.assert_close(value, wanted, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", [3, 6])
def test_a_resumed_run_is_the_same_run(classifier, trainer_of, tmp_path, way, step):
    again = copy.deepcopy(classifier)
    averaged(trainer_of, classifier, way, save_strategy="steps", save_steps=step)
    averaged(trainer_of, again, way, "again", str(tmp_path / "out" / f"checkpoint-{step}"))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in classifier.state_dict().items())


def test_decay_0_is_plain_training(classifier, trainer_of):
    plain = copy.deepcopy(classifier)
    trainer_of(plain, num_train_epochs=4).train()
    averaged(trainer_of, classifier, {"decay": 0.0})
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in classifier.state_dict().items())


def test_swa_that_would_begin_too_late_is_the_last_epoch(classifier, trainer_of):
    steps = averaged(trainer_of, classifier, {"start": 1.0})
    assert all(torch.equal(value, steps[-1][name]) for name, value in classifier.state_dict().items())
