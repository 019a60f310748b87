"""Learning rate schedules that are constant within an epoch, as in released recipes."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

__all__ = ["EPOCH_SCHEDULES", "epoch_schedule"]

LOWEST = 1e-3  # last value of the cosine, as a share of the initial learning rate
MILESTONES = {"multi_step": (0.5, 0.7, 0.9), "thirds": (1 / 3, 2 / 3)}  # of all epochs

EPOCH_SCHEDULES = ("cosine", *MILESTONES)


def epoch_schedule(name: str, optimizer: Optimizer, num_training_steps: int, num_epochs: float) -> LambdaLR:
    """Return a scheduler, stepped once per optimiser step, that changes the learning rate only between epochs.

    Args:
        name: name of the schedule: `"cosine"`, equal to `CosineAnnealingLR(T_max=epochs, eta_min=lr/1000)` stepped
            once per epoch (RSPNet); `"multi_step"`, ×0.1 after 50, 70 and 90 % of the epochs (RSPNet's C3D on
            HMDB51); or `"thirds"`, ×0.1 after each third of the epochs (Pace, STS).
        optimizer: the optimiser.
        num_training_steps: number of optimiser steps of the whole run.
        num_epochs: number of epochs of the whole run.
    """
    steps_per_epoch = num_training_steps / num_epochs

    def factor(step: int) -> float:
        # The tiny addend makes step 3 · (100/3) the first step of epoch 3, despite rounding.
        progress = min(math.floor(step / steps_per_epoch + 1e-9) / num_epochs, 1.0)
        if name in MILESTONES:
            return math.prod(0.1 for milestone in MILESTONES[name] if progress >= milestone - 1e-9)
        return LOWEST + (1 - LOWEST) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)
