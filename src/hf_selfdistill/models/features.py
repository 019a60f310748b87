"""Features of any Hugging Face video classifier: the input of its last layer.

Every video classifier of transformers ends in one linear layer named `classifier`. The model without this layer is
"the encoder" of Zhou et al. (arXiv 2205.00506), for every architecture.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import nn

__all__ = ["LAST_LAYER", "FeatureTap", "copy_encoder", "last_layer", "logits_of"]

LAST_LAYER = "classifier"
PLACES = (
    LAST_LAYER,
    # In a PeftModel the copy that is trained (it stays when adapters are merged), otherwise the layer itself.
    f"base_model.model.{LAST_LAYER}.modules_to_save.default",
    f"base_model.model.{LAST_LAYER}",
)


def last_layer(model: nn.Module) -> nn.Linear:
    """Return the classification layer of a video classifier, also of a classifier wrapped by peft.

    Raises:
        ValueError: the model has no layer of that name.
    """
    modules = dict(model.named_modules())
    for name in PLACES:
        if name in modules:
            return cast(nn.Linear, modules[name])
    raise ValueError(
        f"{type(model).__name__} has no layer named `{LAST_LAYER}`, so its features can't be found; use a model of "
        "AutoModelForVideoClassification, or give your last layer this name"
    )


def copy_encoder(model: nn.Module) -> nn.Module:
    """Return a copy of the model without its last layer: the logits of the copy are the features."""
    # The memo makes deepcopy use an identity instead of a copy of the last layer and its hooks.
    return copy.deepcopy(model, {id(last_layer(model)): nn.Identity()})


def logits_of(outputs: Any) -> torch.Tensor:
    """Return the logits of a forward pass without labels, whether the model gives a dictionary or a tuple."""
    return outputs["logits"] if isinstance(outputs, dict) else outputs[0]


class FeatureTap:
    """Store of the features of a model's latest forward pass.

    The features are taken by a forward pre-hook on the last layer. The hook works on the bare model, under
    DistributedDataParallel and under torch.compile: storing a tensor neither breaks the graph nor causes a
    recompilation.

    Args:
        model: a video classifier.
    """

    def __init__(self, model: nn.Module) -> None:
        self._features: torch.Tensor | None = None
        last_layer(model).register_forward_pre_hook(self._store)

    def _store(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._features = args[0]

    def take(self) -> torch.Tensor:
        """Return the features `(clips, dim)` of the latest forward pass, with their graph, and clear the store."""
        features, self._features = self._features, None
        if features is None:
            raise RuntimeError("no forward pass since the last `take`; run the model first")
        return features.flatten(1)
