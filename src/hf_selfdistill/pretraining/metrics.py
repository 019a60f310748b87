"""Means of an objective's metrics between two logs."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import Tensor

__all__ = ["MetricMeans"]


class MetricMeans:
    """Running sums of metrics on the device, averaged only when they are logged."""

    def __init__(self) -> None:
        self._totals: dict[str, Tensor] = {}  # sum and count of the values

    @torch.no_grad()
    def add(self, metrics: dict[str, Tensor]) -> None:
        """Add the metrics of a batch: a value per video, NaN where a metric does not apply to a video."""
        for name, values in metrics.items():
            total = torch.stack([values.nansum().float(), values.isnan().logical_not().sum()])
            self._totals[name] = self._totals.get(name, 0) + total

    def pop(self, accelerator: Accelerator) -> dict[str, float]:
        """Return the means over all videos since the last call and all processes; a collective call."""
        if not self._totals:
            return {}
        totals, self._totals = self._totals, {}
        sums = accelerator.reduce(torch.stack([*totals.values()])).tolist()
        return {name: total / count for name, (total, count) in zip(totals, sums, strict=True) if count}
