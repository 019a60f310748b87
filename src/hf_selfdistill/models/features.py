"""The features in front of any Hugging Face video classifier's last layer.

Every video classifier of transformers ends in one linear layer named `classifier`. What comes before it is "the
encoder" of Zhou et al. (arXiv 2205.00506), whatever the architecture.
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
    # In a PeftModel: the copy that is trained, which stays in place when adapters are merged, else the layer itself.
    f"base_model.model.{LAST_LAYER}.modules_to_save.default",
    f"base_model.model.{LAST_LAYER}",
)


def last_layer(model: nn.Module) -> nn.Linear:
    """The classification layer of a video classifier, also of one that peft has wrapped.

    Raises:
        ValueError: the model has no layer of that name.
    """
    modules = dict(model.named_modules())
    for name in PLACES:
        if name in modules:
            return cast(nn.Linear, modules[name])
    raise ValueError(
        f"{type(model).__name__} has no layer named `{LAST_LAYER}`, so its features can't be found. Use a model "
        "of AutoModelForVideoClassification, or name your last layer so."
    )


def copy_encoder(model: nn.Module) -> nn.Module:
    """A copy of the model that returns, as its logits, the features that its last layer would have received."""
    # The memo hands out an identity where deepcopy would have copied the last layer (and whatever hooks it).
    return copy.deepcopy(model, {id(last_layer(model)): nn.Identity()})


def logits_of(outputs: Any) -> torch.Tensor:
    """Return the logits of a forward pass without labels, whether the model gives a dictionary or a tuple."""
    return outputs["logits"] if isinstance(outputs, dict) else outputs[0]


class FeatureTap:
    """Keeps the features of a model's latest forward pass.

    A forward pre-hook on the last layer: it works on the bare model, under DistributedDataParallel and under
    torch.compile, where storing a tensor neither breaks the graph nor asks for a recompilation.
    """

    def __init__(self, model: nn.Module) -> None:
        self._features: torch.Tensor | None = None
        last_layer(model).register_forward_pre_hook(self._store)

    def _store(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._features = args[0]

    def take(self) -> torch.Tensor:
        """The features `(clips, dim)` of the latest forward pass, with their graph; a pass can be taken once."""
        features, self._features = self._features, None
        if features is None:
            raise RuntimeError("no forward pass since the features were last taken")
        return features.flatten(1)
