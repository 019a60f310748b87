"""How a run of fine-tuning takes on the regularizer that its arguments name."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from transformers import Trainer, TrainerCallback

from hf_selfdistill.regularizers.arguments import RegularizerArguments
from hf_selfdistill.regularizers.l2_sp import L2SPCallback
from hf_selfdistill.regularizers.layerwise_lr_decay import layerwise
from hf_selfdistill.regularizers.linear_probe import freeze_encoder
from hf_selfdistill.regularizers.wise_ft import WeightAverage
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments

__all__ = ["Regularization", "check_regularizer", "in_words", "regularize"]

logger = logging.getLogger(__name__)


@dataclass
class Regularization:
    """What a regularizer hands to the Trainer, and what is left to do after training."""

    callbacks: list[TrainerCallback] = field(default_factory=list)
    optimizer_cls_and_kwargs: tuple[Any, dict[str, Any]] | None = None
    average: WeightAverage | None = None


def check_regularizer(regularizer: RegularizerArguments, args: SelfDistillationArguments, adapters: bool) -> None:
    """Settle λ: it is self-distillation's, and 0 with every other regularizer.

    Raises:
        ValueError: the arguments contradict one another.
    """
    if regularizer.regularizer == "self_distillation":
        return
    if args.distill_weight not in (0, SelfDistillationArguments.distill_weight):  # given, if only by a recipe
        logger.info("λ (--distill_weight) is not used with --regularizer %s", regularizer.regularizer)
    args.distill_weight = 0
    if regularizer.regularizer == "none":
        return
    if adapters:
        raise ValueError(f"--regularizer {regularizer.regularizer} does not go with --lora_rank")
    if args.fsdp:
        raise ValueError(f"--regularizer {regularizer.regularizer} was not made for FSDP; use DDP")
    if regularizer.regularizer == "l2_sp" and args.fp16 and args.max_grad_norm == 0:
        raise ValueError("--regularizer l2_sp needs unscaled gradients: with --fp16 set --max_grad_norm above 0")


def regularize(model: nn.Module, regularizer: RegularizerArguments, args: SelfDistillationArguments) -> Regularization:
    """Prepare the model, before the Trainer is built and any checkpoint is loaded."""
    match regularizer.regularizer:
        case "l2_sp":
            return Regularization(callbacks=[L2SPCallback(model, regularizer.l2_sp_weight)])
        case "layerwise_lr_decay":
            optimizer, settings = Trainer.get_optimizer_cls_and_kwargs(args)
            own = layerwise(optimizer, model, regularizer.layer_lr_decay)
            return Regularization(optimizer_cls_and_kwargs=(own, settings))
        case "linear_probe":
            freeze_encoder(model)
        case "wise_ft":
            return Regularization(average=WeightAverage(model, regularizer.wise_ft_weights))
    return Regularization()


def in_words(regularizer: RegularizerArguments) -> dict[str, str]:
    """What the model card says of a rival of self-distillation."""
    match regularizer.regularizer:
        case "l2_sp":
            return {"L2-SP": f"α = {regularizer.l2_sp_weight:g} on the encoder"}
        case "layerwise_lr_decay":
            return {"learning rate by layer": f"decays by {regularizer.layer_lr_decay:g} from each layer downwards"}
        case "linear_probe":
            return {"encoder": "frozen; only the last layer was trained"}
        case "wise_ft":
            share = regularizer.wise_ft_weights[0]
            return {"WiSE-FT": f"the encoder is {share:g} · fine-tuned + {1 - share:g} · pre-trained weights"}
    return {}
