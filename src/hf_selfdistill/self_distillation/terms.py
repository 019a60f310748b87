"""The terms of the loss, and the spread of the features, since the last log."""

from __future__ import annotations

import torch
from accelerate import Accelerator

__all__ = ["LossTerms"]


class LossTerms:
    """Collects the loss terms of each batch without waiting for the device; averages them when they are logged."""

    def __init__(self) -> None:
        self._rows: list[torch.Tensor] = []
        self._distilled = False

    @torch.no_grad()
    def add(self, ce: torch.Tensor, distance: torch.Tensor | None, features: torch.Tensor) -> None:
        """Note one batch: mean cross-entropy, mean distance (None without a teacher), features `(clips, dim)`."""
        features = features.detach().float()
        self._distilled = distance is not None
        scalars = torch.stack([ce.new_tensor(len(features)), ce, ce * 0 if distance is None else distance])
        mean = features.mean(0)
        self._rows.append(torch.cat([scalars.float(), mean, (features - mean).square().sum(0)]))

    def pop(self, accelerator: Accelerator) -> dict[str, float]:
        """Means over all clips since the last call, over all processes; a collective call, empty before any batch.

        `feature_std` is the standard deviation over the clips, averaged over the feature dimensions. Batches' spreads
        are merged about the common mean (Chan, Golub & LeVeque 1979): a plain mean of squares would lose, in float32,
        just the small spreads that matter.
        """
        if not self._rows:
            return {}
        rows = accelerator.gather(torch.stack(self._rows))  # (batches, 3 + 2·dim)
        self._rows = []
        clips, ce, distance = rows[:, 0], rows[:, 1], rows[:, 2]
        means, squares = rows[:, 3:].chunk(2, dim=1)
        weight = (clips / clips.sum())[:, None]
        mean = (weight * means).sum(0)
        variance = squares.sum(0) / clips.sum() + (weight * (means - mean).square()).sum(0)
        terms = {"ce_loss": (weight[:, 0] * ce).sum(), "feature_std": variance.sqrt().mean()}
        if self._distilled:
            terms["distill_loss"] = (weight[:, 0] * distance).sum()
        return {name: value.item() for name, value in terms.items()}
