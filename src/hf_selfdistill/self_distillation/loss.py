"""The two terms of Eq. 3: cross-entropy and the distance between student and teacher features."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from hf_selfdistill.data.clips import UNREADABLE
from hf_selfdistill.models.features import logits_of

__all__ = ["ClassificationLoss", "self_distillation_loss"]


def self_distillation_loss(
    student_features: torch.Tensor, teacher_features: torch.Tensor, reduction: str = "mean", normalize: bool = False
) -> torch.Tensor:
    """Squared Euclidean distance between student and teacher features of the same clips (Eq. 2 of arXiv 2205.00506).

    Args:
        student_features: `(clips, dim)`, any floating type; the gradient flows through these.
        teacher_features: `(clips, dim)`; no gradient flows through these.
        reduction: `"sum"` sums over the dimensions, as Eq. 2 is printed; `"mean"` averages over them, the reading
            under which the paper's λ = 0.1 … 1000 makes sense (`"sum"` = dim × `"mean"`). Both average over the clips.
        normalize: compare unit-length features instead of raw ones, so that the distance is at most 4 (`"sum"`).

    Returns:
        Scalar in float32.

    Raises:
        ValueError: shapes differ, or the reduction is unknown.
    """
    if student_features.shape != teacher_features.shape:
        raise ValueError(
            f"student features are {tuple(student_features.shape)} and teacher features "
            f"{tuple(teacher_features.shape)}; a teacher must give features of the student's size"
        )
    if reduction not in ("mean", "sum"):
        raise ValueError(f'reduction is {reduction!r}; allowed are "mean" and "sum"')
    student, teacher = student_features.float(), teacher_features.detach().float()
    if normalize:
        student, teacher = F.normalize(student, dim=-1), F.normalize(teacher, dim=-1)
    squared = (student - teacher).square()  # (clips, dim)
    return squared.sum(-1).mean() if reduction == "sum" else squared.mean()


class ClassificationLoss:
    """Cross-entropy with the Trainer's signature of `compute_loss_func`.

    The sum over clips is divided by the number of clips in the whole optimiser step, which makes gradient accumulation
    exact for every model, also for those (TimeSformer, V-JEPA2) whose own loss ignores `num_items_in_batch`.

    Args:
        class_weights: `(classes,)`, for unbalanced data; None weighs all classes alike.
        label_smoothing: as in `torch.nn.functional.cross_entropy`.
    """

    def __init__(self, class_weights: torch.Tensor | None = None, label_smoothing: float = 0.0) -> None:
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing

    def __call__(
        self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Return the cross-entropy of the logits `(clips, classes)`, without clips labelled −100 (unreadable)."""
        labels, logits = labels.flatten(), logits_of(outputs)
        loss = F.cross_entropy(
            logits.view(labels.numel(), -1),
            labels,
            weight=None if self.class_weights is None else self.class_weights.to(logits),
            reduction="sum",
            ignore_index=UNREADABLE,
            label_smoothing=self.label_smoothing,
        )
        # A batch in which no clip could be read must count nothing, not 0/0.
        items = labels.ne(UNREADABLE).sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
        return loss / items.to(loss.device).clamp(min=1)
