"""Arguments of fine-tuning with self-distillation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hf_selfdistill.self_distillation.schedule import weight_factor
from hf_selfdistill.training.arguments import ClassificationArguments, check_choice, check_positive

__all__ = ["SelfDistillationArguments"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "distill_reduction": ("mean", "sum"),
    "distill_scale": ("none", "unit", "variance"),
    "distill_weight_schedule": ("constant", "linear", "cosine"),
    "teacher_update": ("epoch", "steps", "ema", "frozen"),
    "teacher_norm": ("batch", "running"),
}


@dataclass
class SelfDistillationArguments(ClassificationArguments):
    """Fine-tuning with self-distillation (Zhou et al., arXiv 2205.00506).

    Takes every argument of `ClassificationArguments` and of transformers' TrainingArguments too. Each choice that the
    paper leaves open is an argument with a documented default. Gradients are clipped at norm 1.0 (transformers'
    default), which the paper does not mention and which keeps large λ stable.

    Args:
        distill_weight: λ of Eq. 3. With 0 there is no teacher, and training is the plain Trainer's.
        distill_weight_schedule: λ stays (`"constant"`, the paper) or fades to 0 over the run.
        distill_reduction: how squared differences are reduced over the feature dimensions; see
            `self_distillation_loss`. λ under `"mean"` = dim × λ under `"sum"`.
        distill_scale: `"none"` compares the features as they are (the paper). `"unit"` compares unit-length features.
            `"variance"` divides the distance by the variance of the teacher's features over clips, so that one λ has
            about the same effect on any encoder; see `FeatureVariance`.
        distill_normalize: alias: true sets `distill_scale` to `"unit"`, and is false from then on.
        teacher_update: when the teacher is renewed: at the beginning of every `"epoch"` (the paper), every
            `teacher_update_steps` `"steps"`, after every step by `"ema"`, or never (`"frozen"`: it stays the
            pre-trained encoder).
        teacher_update_steps: optimiser steps between two copies; required with `"steps"`.
        teacher_ema_decay: per optimiser step, for `"ema"`; on parameters, buffers are copied.
        teacher_norm: statistics that the teacher's BatchNorm uses: those of the `"batch"`, as the student does, or
            the `"running"` ones.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    distill_weight: float = field(default=100.0, metadata={"help": "λ, the weight of the distance; 0 = no teacher."})
    distill_weight_schedule: Literal["constant", "linear", "cosine"] = field(
        default="constant", metadata={"help": "Whether λ fades to 0 over the run."}
    )
    distill_reduction: Literal["mean", "sum"] = field(
        default="mean", metadata={"help": "Reduction over feature dimensions; Eq. 2 as printed is `sum`."}
    )
    distill_scale: Literal["none", "unit", "variance"] = field(
        default="none",
        metadata={
            "help": "Scale of the distance: features as they are, of unit length, or relative to the variance of the "
            "teacher's features over clips."
        },
    )
    distill_normalize: bool = field(default=False, metadata={"help": "The same as --distill_scale unit."})
    teacher_update: Literal["epoch", "steps", "ema", "frozen"] = field(
        default="epoch", metadata={"help": "When the teacher is renewed; the paper: at the beginning of every epoch."}
    )
    teacher_update_steps: int | None = field(
        default=None, metadata={"help": "Optimiser steps between two copies, with --teacher_update steps."}
    )
    teacher_ema_decay: float = field(default=0.999, metadata={"help": "Decay per step, with --teacher_update ema."})
    teacher_norm: Literal["batch", "running"] = field(
        default="batch", metadata={"help": "Statistics that the teacher's BatchNorm uses."}
    )

    def __post_init__(self) -> None:
        """Check the method's own arguments first."""
        if self.distill_normalize:
            if self.distill_scale == "variance":
                raise ValueError("`distill_normalize` means `distill_scale` 'unit', but that is 'variance'; omit one")
            self.distill_scale, self.distill_normalize = "unit", False
        for name, allowed in _CHOICES.items():
            check_choice(name, getattr(self, name), allowed)
        if not self.distill_weight >= 0:
            raise ValueError(f"`distill_weight` is {self.distill_weight}; λ must be 0 (no teacher) or positive")
        if self.teacher_update == "steps" and self.teacher_update_steps is None:
            raise ValueError("`teacher_update` is 'steps'; set `teacher_update_steps` to the number of steps")
        if self.teacher_update != "steps" and self.teacher_update_steps is not None:
            raise ValueError(
                f"`teacher_update_steps` is {self.teacher_update_steps}, but `teacher_update` is "
                f"{self.teacher_update!r}; remove it, or set `teacher_update` to 'steps'"
            )
        check_positive("teacher_update_steps", self.teacher_update_steps)
        if not 0 <= self.teacher_ema_decay <= 1:
            raise ValueError(f"`teacher_ema_decay` is {self.teacher_ema_decay}; it must lie between 0 and 1")
        super().__post_init__()

    def weight_at(self, progress: float) -> float:
        """Return λ at `progress`, 0 … 1, of the run."""
        return self.distill_weight * weight_factor(self.distill_weight_schedule, progress)
