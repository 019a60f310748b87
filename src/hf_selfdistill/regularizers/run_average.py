"""Averages of the weights along a run: EMA, and SWA (Izmailov et al., UAI 2018, arXiv 1803.05407)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_swa_avg_fn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.training.module_state import ModuleState
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["RunAverageCallback"]


class RunAverageCallback(TrainerCallback):
    """Callback that replaces the weights by their average along the run, after training.

    EMA: θ̄_1 = θ_1, θ̄_t = d·θ̄_(t−1) + (1 − d)·θ_t after every optimiser step t. SWA: the mean of θ at the ends of the
    epochs from the share `start` of the run on, at least of the last epoch; set a schedule that ends high, such as
    `lr_scheduler_type` constant. The head is averaged too. BatchNorm's running statistics are averaged like weights,
    in place of another pass over the training clips. Evaluations during training are of θ_t.

    Args:
        trainer: the trainer before training.
        decay: d of the EMA; None for SWA.
        start: share of the run before SWA begins.
    """

    def __init__(self, trainer: VideoTrainer, decay: float | None = None, start: float = 0.0) -> None:
        self.trainer, self.every_step, self.start = trainer, decay is not None, start
        average = get_swa_avg_fn() if decay is None else get_ema_avg_fn(decay)
        self.average = AveragedModel(trainer.model, avg_fn=average, use_buffers=True)
        trainer.checkpointed["average"] = ModuleState(self.average, "average.safetensors")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the average to the device, and begin again with another attempt."""
        self.average.to(args.device)
        if state.global_step == 0:
            self.average.n_averaged.zero_()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Update the EMA."""
        if self.every_step:
            self.average.update_parameters(model)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Add the epoch to SWA."""
        last = state.global_step >= state.max_steps
        if not self.every_step and (last or state.global_step >= self.start * state.max_steps):
            self.average.update_parameters(model)

    @torch.no_grad()
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Copy the average to the model; BatchNorm's counts stay."""
        averages = self.average.module.state_dict()
        for name, tensor in model.state_dict(keep_vars=True).items():
            if tensor.is_floating_point():
                tensor.copy_(averages[name])
