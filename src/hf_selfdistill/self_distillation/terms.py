"""Means of the loss terms and the standard deviation of the features between two logs."""

from __future__ import annotations

import torch
from accelerate import Accelerator

__all__ = ["LossTerms", "merge_moments", "moments"]


class LossTerms:
    """Running sums of the loss terms on the device, averaged only when they are logged."""

    def __init__(self) -> None:
        # (4 + 2·dim,): number of labelled clips, sum of their cross-entropy, sum of all clips' distances, and the
        # moments of the features, see `moments`
        self._row: torch.Tensor | None = None
        self._distilled = False

    @torch.no_grad()
    def add(
        self, ce: torch.Tensor, labelled: torch.Tensor | int, distance: torch.Tensor | None, features: torch.Tensor
    ) -> None:
        """Add a batch.

        Args:
            ce: mean cross-entropy of the labelled clips.
            labelled: number of clips with a label.
            distance: mean distance of all clips; None without a teacher.
            features: the student's features `(clips, dim)`.
        """
        self._distilled = distance is not None
        labels = torch.as_tensor(labelled, device=ce.device)
        sums = [
            labels,
            torch.where(labels > 0, ce * labels, 0.0),
            len(features) * (0 * ce if distance is None else distance),
        ]
        row = torch.cat([torch.stack([value.float() for value in sums]), moments(features)])
        self._row = row if self._row is None else _merge(torch.stack([self._row, row]))

    def pop(self, accelerator: Accelerator) -> dict[str, float]:
        """Return the means over all clips since the last call and all processes; a collective call.

        The result is empty before any batch. `feature_std` is the standard deviation over the clips, averaged over the
        feature dimensions.
        """
        if self._row is None:
            return {}
        row, self._row = _merge(accelerator.gather(self._row[None])), None
        labelled, ce, distance, clips = row[:4]
        squares = row[4:].chunk(2)[1]
        terms = {"ce_loss": ce / labelled.clamp(min=1), "feature_std": (squares / clips).sqrt().mean()}
        if self._distilled:
            terms["distill_loss"] = distance / clips
        return {name: value.item() for name, value in terms.items()}

    def clear(self) -> None:
        """Discard the batches since the last log, such as those of an attempt that ran out of memory."""
        self._row = None


def _merge(rows: torch.Tensor) -> torch.Tensor:
    return torch.cat([rows[:, :3].sum(0), merge_moments(rows[:, 3:])])


def moments(features: torch.Tensor) -> torch.Tensor:
    """Return the moments `(1 + 2·dim)` of features `(clips, dim)`, in float32.

    The moments are the number of clips, the mean features, and the sums of the squared deviations from them.
    """
    features = features.detach().float()
    mean = features.mean(0)
    return torch.cat([mean.new_tensor([len(features)]), mean, (features - mean).square().sum(0)])


def merge_moments(rows: torch.Tensor) -> torch.Tensor:
    """Merge the moments `(groups, 1 + 2·dim)` of several groups of clips into the moments of all clips.

    Deviations are merged about the common mean (Chan, Golub & LeVeque 1979): in float32, a plain mean of squares loses
    the small standard deviations that matter.
    """
    clips = rows[:, :1]  # (groups, 1)
    means, squares = rows[:, 1:].chunk(2, dim=1)
    mean = (clips / clips.sum() * means).sum(0)
    return torch.cat([clips.sum(0), mean, squares.sum(0) + (clips * (means - mean).square()).sum(0)])
