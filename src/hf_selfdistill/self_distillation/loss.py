"""The two terms of Eq. 3: cross-entropy and the distance between student and teacher features."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from hf_selfdistill.data.clips import UNREADABLE
from hf_selfdistill.models.features import logits_of

__all__ = ["ClassificationLoss", "self_distillation_loss"]


def self_distillation_loss(
    student_features: torch.Tensor,
    teacher_features: torch.Tensor,
    reduction: str = "mean",
    normalize: bool = False,
    variance: torch.Tensor | float = 1.0,
) -> torch.Tensor:
    """Return the squared distance between student and teacher features of the same clips (Eq. 2, arXiv 2205.00506).

    Args:
        student_features: features `(clips, dim)` of any floating type, with gradient.
        teacher_features: features `(clips, dim)` of any floating type; their gradient is stopped.
        reduction: `"sum"` sums over the dimensions, as Eq. 2 is printed. `"mean"` averages over the dimensions, the
            reading under which the paper's λ = 0.1 … 1000 makes sense (`"sum"` = dim × `"mean"`). Both average over
            the clips.
        normalize: compares unit-length features, so that the distance is at most 4 with `"sum"`.
        variance: divides the distance; see `FeatureVariance`.

    Returns:
        Scalar in float32.

    Raises:
        ValueError: the shapes differ, or the reduction is unknown.
    """
    if student_features.shape != teacher_features.shape:
        raise ValueError(
            f"`student_features` has shape {tuple(student_features.shape)} and `teacher_features` "
            f"{tuple(teacher_features.shape)}; the shapes must be equal"
        )
    if reduction not in ("mean", "sum"):
        raise ValueError(f"`reduction` is {reduction!r}; allowed are 'mean' and 'sum'")
    student, teacher = student_features.float(), teacher_features.detach().float()
    if normalize:
        student, teacher = F.normalize(student, dim=-1), F.normalize(teacher, dim=-1)
    squared = (student - teacher).square()  # (clips, dim)
    return (squared.sum(-1).mean() if reduction == "sum" else squared.mean()) / variance


class ClassificationLoss:
    """Cross-entropy for the Trainer's `compute_loss_func`.

    The sum over clips is divided by the number of clips in the whole optimiser step. So gradient accumulation is exact
    for every model, including TimeSformer and V-JEPA2, whose own loss ignores `num_items_in_batch`.

    Args:
        class_weights: weights `(classes,)` for unbalanced data; None weighs all classes alike.
        label_smoothing: amount of smoothing, as in `torch.nn.functional.cross_entropy`.
    """

    def __init__(self, class_weights: torch.Tensor | None = None, label_smoothing: float = 0.0) -> None:
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing

    def __call__(
        self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Return the cross-entropy of the logits `(clips, classes)`, without clips labelled −100 (unreadable).

        Labels are class indices, or class probabilities `(clips, classes)`.
        """
        logits = logits_of(outputs)
        labels = labels.to(logits) if labels.is_floating_point() else labels.flatten()
        loss = F.cross_entropy(
            logits.view(len(labels), -1),
            labels,
            weight=None if self.class_weights is None else self.class_weights.to(logits),
            reduction="sum",
            ignore_index=UNREADABLE,
            label_smoothing=self.label_smoothing,
        )
        # The loss of a batch without any readable clip is 0, not 0/0.
        rows = labels if labels.ndim == 1 else labels[:, 0]
        items = rows.ne(UNREADABLE).sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
        return loss / items.to(loss.device).clamp(min=1)
