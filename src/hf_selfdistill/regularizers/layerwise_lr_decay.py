"""Lower layers learn more slowly: discriminative fine-tuning (Howard & Ruder, ACL 2018, arXiv 1801.06146)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from hf_selfdistill.models.layers import parameter_depths

__all__ = ["layerwise"]


def layerwise(optimizer: type[torch.optim.Optimizer], model: nn.Module, decay: float) -> type[torch.optim.Optimizer]:
    """The same optimizer with a learning rate of its own at each depth l of L: η · decay^(L − l).

    For the Trainer's `optimizer_cls_and_kwargs`. The last linear layer, at depth L, has η; what comes before the first
    layer, at depth 0, has the lowest rate. Schedules multiply all rates alike.

    Args:
        optimizer: which optimizer steps.
        model: a classifier; its layers are those of `models.layers.layers_of`.
        decay: between 0 and 1; Howard & Ruder have 1/2.6, fine-tuned vision transformers mostly 0.65 … 0.85.

    Raises:
        ValueError: the model has no list of layers.
    """
    depths = parameter_depths(model)
    top = max(depths.values())
    factors = {id(parameter): decay ** (top - depths[name]) for name, parameter in model.named_parameters()}

    class Layerwise(optimizer):  # type: ignore[valid-type, misc]
        def __init__(self, groups: Iterable[dict[str, Any]], lr: float, **settings: Any) -> None:
            parts = [part for group in groups for part in _by_rate(group, factors, lr)]
            parts.sort(key=lambda part: -part["lr"])  # the Trainer logs the first one's rate: η, not the lowest
            super().__init__(parts, lr=lr, **settings)

    return Layerwise


def _by_rate(group: dict[str, Any], factors: dict[int, float], rate: float) -> list[dict[str, Any]]:
    """The group, cut where the factor changes."""
    parts: dict[float, list[nn.Parameter]] = {}
    for parameter in group["params"]:
        parts.setdefault(factors[id(parameter)], []).append(parameter)
    return [{**group, "params": parameters, "lr": rate * factor} for factor, parameters in parts.items()]
