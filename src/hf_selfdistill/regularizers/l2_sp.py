"""L2-SP: weight decay towards the starting point (Li, Grandvalet & Davoine, ICML 2018, arXiv 1802.01483)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.models.features import last_layer

__all__ = ["L2SPCallback"]


class L2SPCallback(TrainerCallback):
    """Callback that adds the gradient of Ω = α/2 · ‖θ − θ⁰‖², with θ⁰ the encoder's weights before training.

    The paper's second term, β/2 · ‖θ_head‖², is the Trainer's weight decay, which also applies to the encoder: set
    `weight_decay` to β (0.01 in the paper) or to 0. Like weight decay, α · (θ − θ⁰) is added to the gradient after
    clipping, once per optimiser step, for any number of accumulated batches and processes.

    Args:
        model: the classifier before training. Only the encoder's weights are copied; BatchNorm's running statistics
            are not regularized. A resumed run must start from the same model.
        weight: α.
    """

    def __init__(self, model: nn.Module, weight: float) -> None:
        self.weight = weight
        self.start = {name: parameter.detach().clone() for name, parameter in _encoder_parameters(model)}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move θ⁰ to the device of the weights."""
        self.start = {name: value.to(args.device) for name, value in self.start.items()}

    @torch.no_grad()
    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Add α · (θ − θ⁰) to the gradients."""
        for name, parameter in _encoder_parameters(model):
            if parameter.grad is not None:
                parameter.grad.add_(parameter - self.start[name], alpha=self.weight)


def _encoder_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    head = {id(parameter) for parameter in last_layer(model).parameters()}
    return [(name, parameter) for name, parameter in model.named_parameters() if id(parameter) not in head]
