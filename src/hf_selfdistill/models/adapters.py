"""Parameter-efficient training: low-rank adapters (LoRA, arXiv 2106.09685) on the encoder, through peft."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from transformers import PreTrainedModel
from transformers.utils import is_peft_available

from hf_selfdistill.models.features import LAST_LAYER

if TYPE_CHECKING:
    from peft import PeftModel

__all__ = ["add_lora"]


def add_lora(
    model: PreTrainedModel,
    rank: int,
    target_modules: Sequence[str] | None = None,
    new_layers: Sequence[str] = (),
) -> PeftModel:
    """Freeze a classifier and add trainable adapters to its layers.

    The outputs are unchanged until the adapters have been trained. `merge_and_unload()` of the result merges the
    trained adapters into a plain model.

    Args:
        model: a video classifier with linear layers, changed in place.
        rank: rank of the adapters; the scale α/rank is 1.
        target_modules: names of the linear layers that get adapters, or the ends of the names (`query`). By default
            all linear layers get adapters, except those that are trained in full.
        new_layers: children of the model with new weights; they are trained in full, like the last layer.

    Raises:
        ValueError: peft is missing, the rank is not positive, a target layer is missing, or the model has BatchNorm.
    """
    if not is_peft_available():
        raise ValueError('LoRA adapters (`lora_rank`) need peft; install it: pip install "hf_selfdistill[peft]"')
    from peft import LoraConfig, get_peft_model

    if rank < 1:
        raise ValueError(f"`rank` is {rank}; it must be at least 1")
    if any(isinstance(module, _BatchNorm) for module in model.modules()):
        raise ValueError(
            f"the model, a {model.config.model_type}, has BatchNorm, and LoRA adapters do not store its statistics; "
            "train the model in full (no `lora_rank`), or take a transformer"
        )
    in_full = [LAST_LAYER, *new_layers]
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.split(".")[0] not in in_full
    ]
    targets = list(target_modules or linear)
    unknown = [target for target in targets if not any(f".{name}".endswith(f".{target}") for name in linear)]
    if unknown:
        raise ValueError(
            f"`target_modules`: no linear layer of the encoder is named {', '.join(unknown)}; allowed are "
            + ", ".join(sorted({name.split(".")[-1] for name in linear}))
        )
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=targets, modules_to_save=in_full)
    return get_peft_model(model, config)
