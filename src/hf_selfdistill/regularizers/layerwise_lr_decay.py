"""Layer-wise learning rates: discriminative fine-tuning (Howard & Ruder, ACL 2018, arXiv 1801.06146)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from hf_selfdistill.models.layers import parameter_depths

__all__ = ["layerwise"]


def layerwise(optimizer: type[torch.optim.Optimizer], model: nn.Module, decay: float) -> type[torch.optim.Optimizer]:
    """Return the optimizer with the learning rate η · decay^(L − l) at each depth l of L.

    The result is for the Trainer's `optimizer_cls_and_kwargs`. The last linear layer, at depth L, has the rate η.
    Parameters before the first layer, at depth 0, have the lowest rate. Schedules multiply all rates alike.

    Args:
        optimizer: class of the optimizer.
        model: a classifier; `models.layers.layers_of` finds its layers.
        decay: factor between 0 and 1; 1/2.6 in Howard & Ruder, mostly 0.65 … 0.85 for vision transformers.

    Raises:
        ValueError: the model has no list of layers.
    """
    depths = parameter_depths(model)
    top = max(depths.values())
    factors = {id(parameter): decay ** (top - depths[name]) for name, parameter in model.named_parameters()}

    class Layerwise(optimizer):  # type: ignore[valid-type, misc]
        def __init__(self, groups: Iterable[dict[str, Any]], lr: float, **settings: Any) -> None:
            parts = [part for group in groups for part in _by_rate(group, factors, lr)]
            parts.sort(key=lambda part: -part["lr"])  # the Trainer logs the first rate: η, not the lowest
            super().__init__(parts, lr=lr, **settings)

    return Layerwise


def _by_rate(group: dict[str, Any], factors: dict[int, float], rate: float) -> list[dict[str, Any]]:
    """Split a parameter group by factor."""
    parts: dict[float, list[nn.Parameter]] = {}
    for parameter in group["params"]:
        parts.setdefault(factors[id(parameter)], []).append(parameter)
    return [{**group, "params": parameters, "lr": rate * factor} for factor, parameters in parts.items()]
