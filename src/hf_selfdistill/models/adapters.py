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
    """Freezes a classifier and puts trainable adapters on its layers.

    The outputs are unchanged until the adapters have been trained. `merge_and_unload()` of the result gives the plain
    model back, with what was learnt.

    Args:
        model: a video classifier of linear layers, changed in place.
        rank: of the adapters; their scale α/rank is 1.
        target_modules: names of the layers that get adapters, or the ends of their names (`query`); linear
            ones, by default all that are not trained in full.
        new_layers: children of the model whose weights are new; they are trained in full, as the last layer is.

    Raises:
        ValueError: peft is missing, the rank is not positive, a layer is not there, or the model has BatchNorm.
    """
    if not is_peft_available():
        raise ValueError('--lora_rank needs peft; install it with pip install "hf_selfdistill[peft]"')
    from peft import LoraConfig, get_peft_model

    if rank < 1:
        raise ValueError(f"--lora_rank is {rank}; it must be at least 1")
    if any(isinstance(module, _BatchNorm) for module in model.modules()):
        raise ValueError(
            f"--lora_rank: {model.config.model_type} has BatchNorm, whose statistics adapters do not carry; train it "
            "in full, or take a transformer"
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
            f"--lora_target_modules: no linear layer of the encoder is named {', '.join(unknown)}; there are "
            + ", ".join(sorted({name.split(".")[-1] for name in linear}))
        )
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=targets, modules_to_save=in_full)
    return get_peft_model(model, config)
