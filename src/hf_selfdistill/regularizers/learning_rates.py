"""Learning rates that differ between the parameters of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

__all__ = ["with_rates"]


def with_rates(
    optimizer: type[torch.optim.Optimizer], shares: Mapping[nn.Parameter, float]
) -> type[torch.optim.Optimizer]:
    """Return the optimizer with the learning rate η · share for each parameter; schedules multiply all rates alike.

    Args:
        optimizer: class of the optimizer; the result is for the Trainer's `optimizer_cls_and_kwargs`.
        shares: maps each parameter to its share of η; the largest share is 1.
    """

    class WithRates(optimizer):  # type: ignore[valid-type, misc]
        def __init__(self, groups: Iterable[dict[str, Any]], lr: float, **settings: Any) -> None:
            parts = [part for group in groups for part in _by_share(group, shares, lr)]
            parts.sort(key=lambda part: -part["lr"])  # the Trainer logs the first rate: η, not the lowest
            super().__init__(parts, lr=lr, **settings)

    return WithRates


def _by_share(group: dict[str, Any], shares: Mapping[nn.Parameter, float], rate: float) -> list[dict[str, Any]]:
    """Split a parameter group by share."""
    parts: dict[float, list[nn.Parameter]] = {}
    for parameter in group["params"]:
        parts.setdefault(shares[parameter], []).append(parameter)
    return [{**group, "params": parameters, "lr": rate * share} for share, parameters in parts.items()]
