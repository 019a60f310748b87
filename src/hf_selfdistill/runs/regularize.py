"""Preparation of a model for a regularizer other than self-distillation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn
from transformers import Trainer, TrainerCallback

from hf_selfdistill.regularizers.l2_sp import L2SPCallback
from hf_selfdistill.regularizers.layerwise_lr_decay import layerwise
from hf_selfdistill.regularizers.linear_probe import freeze_encoder
from hf_selfdistill.runs.configs import FinetuneConfig

__all__ = ["Regularization", "regularize"]


@dataclass
class Regularization:
    """Contributions of a regularizer to a trainer.

    Args:
        callbacks: callbacks of the trainer.
        optimizer_cls_and_kwargs: optimiser of the trainer; by default the optimiser of the config.
        description: row of the model card, name → value as text.
    """

    callbacks: list[TrainerCallback] = field(default_factory=list)
    optimizer_cls_and_kwargs: tuple[Any, dict[str, Any]] | None = None
    description: dict[str, str] = field(default_factory=dict)


def regularize(model: nn.Module, config: FinetuneConfig) -> Regularization:
    """Prepare a model for its regularizer, before the trainer is built and any checkpoint is loaded."""
    match config.regularizer:
        case "l2_sp":
            weight = config.l2_sp_weight
            described = {"L2-SP": f"α = {weight:g} on the encoder"}
            return Regularization([L2SPCallback(model, weight)], description=described)
        case "layerwise_lr_decay":
            optimizer, settings = Trainer.get_optimizer_cls_and_kwargs(config)
            decay = config.layer_lr_decay
            described = {"learning rate by layer": f"decays by {decay:g} from each layer downwards"}
            return Regularization([], (layerwise(optimizer, model, decay), settings), described)
        case "linear_probe":
            freeze_encoder(model)
            return Regularization(description={"encoder": "frozen; only the last layer was trained"})
        case "wise_ft":
            share = config.wise_ft_weights[0]
            described = {"WiSE-FT": f"the encoder is {share:g} · fine-tuned + {1 - share:g} · pre-trained weights"}
            return Regularization(description=described)
    return Regularization()
