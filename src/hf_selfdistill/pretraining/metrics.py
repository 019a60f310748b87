"""The metrics of an objective since they were last logged."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import Tensor

__all__ = ["MetricMeans"]


class MetricMeans:
    """Collects the metrics of each batch without waiting for the device; averages them when they are logged."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._videos = 0

    @torch.no_grad()
    def add(self, metrics: dict[str, Tensor], videos: int) -> None:
        """Note one batch: means over its `videos`."""
        self._videos += videos
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0) + value.float() * videos

    def pop(self, accelerator: Accelerator) -> dict[str, float]:
        """Means over all videos since the last call, over all processes; a collective call, empty before any batch."""
        if not self._sums:
            return {}
        sums = torch.stack([*self._sums.values(), next(iter(self._sums.values())).new_tensor(self._videos)])
        *sums, videos = accelerator.reduce(sums).tolist()
        names = list(self._sums)
        self._sums, self._videos = {}, 0
        return {name: value / videos for name, value in zip(names, sums, strict=True)}
