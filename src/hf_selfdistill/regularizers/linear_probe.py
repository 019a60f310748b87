"""Only the last linear layer learns; nothing can be forgotten (Alain & Bengio, 2016, arXiv 1610.01644)."""

from __future__ import annotations

from typing import Any

from torch import nn

from hf_selfdistill.models.features import last_layer

__all__ = ["freeze_encoder"]


def freeze_encoder(model: nn.Module) -> None:
    """Stop the encoder's weights from learning, and its BatchNorm and dropout from training.

    f stays f_θ⁰ in min over g of CE(g(f_θ⁰(x)), y). BatchNorm uses its running statistics, which stay as they are.

    Args:
        model: a classifier.
    """
    model.requires_grad_(False)
    head = last_layer(model)
    head.requires_grad_(True)
    # The Trainer calls `model.train()` before every step, so this must come after it.
    model.register_forward_pre_hook(lambda module, _: _evaluate_all_but(module, head))


def _evaluate_all_but(model: nn.Module, head: nn.Module) -> None:
    training = model.training
    part: Any
    for part in model.modules():
        if part is not head:
            part.training = False
    model.training = training  # what tells the Trainer and the loss that this is a training step
