"""The metrics of an objective since they were last logged."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import Tensor

__all__ = ["MetricMeans"]


class MetricMeans:
    """Collects the metrics of each batch without waiting for the device; averages them when they are logged."""

    def __init__(self) -> None:
        self._totals: dict[str, Tensor] = {}  # sum and number of values

    @torch.no_grad()
    def add(self, metrics: dict[str, Tensor]) -> None:
        """Note one batch: a value per video, NaN where it says nothing of a video."""
        for name, values in metrics.items():
            total = torch.stack([values.nansum().float(), values.isnan().logical_not().sum()])
            self._totals[name] = self._totals.get(name, 0) + total

    def pop(self, accelerator: Accelerator) -> dict[str, float]:
        """Means over all videos since the last call, over all processes; a collective call, empty before any batch."""
        if not self._totals:
            return {}
        totals, self._totals = self._totals, {}
        sums = accelerator.reduce(torch.stack([*totals.values()])).tolist()
        return {name: total / count for name, (total, count) in zip(totals, sums, strict=True) if count}
