"""The terms of the loss, and the spread of the features, since the last log."""

from __future__ import annotations

import torch
from accelerate import Accelerator

__all__ = ["LossTerms"]


class LossTerms:
    """Collects the loss terms of each batch without waiting for the device; averages them when they are logged."""

    def __init__(self) -> None:
        # (3 + 2·dim,): clips, mean cross-entropy, mean distance, mean features, sums of their squared deviations
        self._row: torch.Tensor | None = None
        self._distilled = False

    @torch.no_grad()
    def add(self, ce: torch.Tensor, distance: torch.Tensor | None, features: torch.Tensor) -> None:
        """Note one batch: mean cross-entropy, mean distance (None without a teacher), features `(clips, dim)`."""
        features = features.detach().float()
        self._distilled = distance is not None
        scalars = torch.stack([ce.new_tensor(len(features)), ce, ce * 0 if distance is None else distance])
        mean = features.mean(0)
        row = torch.cat([scalars.float(), mean, (features - mean).square().sum(0)])
        self._row = row if self._row is None else _merge(torch.stack([self._row, row]))

    def pop(self, accelerator: Accelerator) -> dict[str, float]:
        """Means over all clips since the last call, over all processes; a collective call, empty before any batch.

        `feature_std` is the standard deviation over the clips, averaged over the feature dimensions.
        """
        if self._row is None:
            return {}
        row, self._row = _merge(accelerator.gather(self._row[None])), None
        clips, ce, distance = row[:3]
        squares = row[3:].chunk(2)[1]
        terms = {"ce_loss": ce, "feature_std": (squares / clips).sqrt().mean()}
        if self._distilled:
            terms["distill_loss"] = distance
        return {name: value.item() for name, value in terms.items()}


def _merge(rows: torch.Tensor) -> torch.Tensor:
    """Rows of batches as the row of all their clips.

    Deviations are merged about the common mean (Chan, Golub & LeVeque 1979): a plain mean of squares would lose, in
    float32, just the small spreads that matter.
    """
    clips = rows[:, :1]  # (rows, 1)
    weight = clips / clips.sum()
    means, squares = rows[:, 3:].chunk(2, dim=1)
    mean = (weight * means).sum(0)
    squares = squares.sum(0) + (clips * (means - mean).square()).sum(0)
    return torch.cat([clips.sum(0), (weight * rows[:, 1:3]).sum(0), mean, squares])
