"""Linear probing: only the last linear layer is trained (Alain & Bengio, 2016, arXiv 1610.01644)."""

from __future__ import annotations

from typing import Any

from torch import nn

from hf_selfdistill.models.features import last_layer

__all__ = ["freeze_encoder"]


def freeze_encoder(model: nn.Module) -> None:
    """Freeze the encoder's weights, and keep its BatchNorm and dropout in evaluation mode.

    Training is then min over g of CE(g(f_θ⁰(x)), y). BatchNorm uses its running statistics, which do not change.

    Args:
        model: a classifier.
    """
    model.requires_grad_(False)
    head = last_layer(model)
    head.requires_grad_(True)

    def evaluate_encoder(model: nn.Module, inputs: Any) -> None:
        training = model.training
        for part in model.modules():
            if part is not head:
                part.training = False
        model.training = training  # the Trainer and the loss read this flag

    # The Trainer calls `model.train()` before every step, so modes are set in the forward pass.
    model.register_forward_pre_hook(evaluate_encoder)
