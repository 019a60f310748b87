"""What the method adds to transformers' TrainingArguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Optional

from transformers import TrainingArguments

__all__ = ["SelfDistillationArguments"]

_CHOICES: dict[str, tuple[str | None, ...]] = {
    "distill_reduction": ("mean", "sum"),
    "distill_weight_schedule": ("constant", "linear", "cosine"),
    "teacher_update": ("epoch", "steps", "ema", "frozen"),
    "teacher_norm": ("batch", "running"),
    "epoch_lr_schedule": ("none", "cosine", "multi_step"),
}


@dataclass
class SelfDistillationArguments(TrainingArguments):
    """Self-distillation (Zhou et al., arXiv 2205.00506).

    These are transformers' TrainingArguments and the method's own. What the paper leaves open is an argument here
    with a documented default. Gradients are clipped at norm 1.0 (transformers' own default), which the paper does not
    mention and which keeps large λ stable.

    Args:
        distill_weight: λ of Eq. 3. With 0 there is no teacher, and training is the plain Trainer's.
        distill_weight_schedule: λ stays (`"constant"`, the paper) or fades to 0 over the run.
        distill_reduction: how squared differences are reduced over the feature dimensions; see
            `self_distillation_loss`. λ under `"mean"` = dim × λ under `"sum"`.
        distill_normalize: distance between unit-length features.
        teacher_update: when the teacher is renewed: at the beginning of every `"epoch"` (the paper), every
            `teacher_update_steps` `"steps"`, after every step by `"ema"`, or never (`"frozen"`: it stays the
            pre-trained encoder).
        teacher_update_steps: optimiser steps between two copies; required with `"steps"`.
        teacher_ema_decay: per optimiser step, for `"ema"`; on parameters, buffers are copied.
        teacher_norm: BatchNorm of the teacher: statistics of the `"batch"`, as the student's, or `"running"` ones.
        sync_batch_norm: BatchNorm takes its statistics over the clips of all processes, in the teacher too; by
            default each process normalises with its own. Needs GPUs.
        epoch_lr_schedule: a learning rate that stays constant within an epoch, as RSPNet's recipes have it:
            `"cosine"` from the learning rate to a thousandth of it, or `"multi_step"`, ×0.1 after 50, 70 and 90 % of
            the epochs; `"none"`: `lr_scheduler_type`, per step.

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
    distill_normalize: bool = field(default=False, metadata={"help": "Compare unit-length features."})
    teacher_update: Literal["epoch", "steps", "ema", "frozen"] = field(
        default="epoch", metadata={"help": "When the teacher is renewed; the paper: at the beginning of every epoch."}
    )
    teacher_update_steps: Optional[int] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "Optimiser steps between two copies, with --teacher_update steps."}
    )
    teacher_ema_decay: float = field(default=0.999, metadata={"help": "Decay per step, with --teacher_update ema."})
    teacher_norm: Literal["batch", "running"] = field(
        default="batch", metadata={"help": "Statistics that the teacher's BatchNorm uses."}
    )
    sync_batch_norm: bool = field(
        default=False, metadata={"help": "Statistics of BatchNorm over the clips of all processes (GPUs only)."}
    )
    epoch_lr_schedule: Literal["none", "cosine", "multi_step"] = field(
        default="none", metadata={"help": "A learning rate constant within an epoch, instead of --lr_scheduler_type."}
    )
    weight_decay: float = field(default=0.0, metadata={"help": "Weight decay, on every parameter."})
    # The Trainer would drop the columns that the clips are read from.
    remove_unused_columns: bool = field(default=False, metadata={"help": "Drop columns the model does not take."})

    def __post_init__(self) -> None:
        """Check the method's own arguments before transformers checks its own."""
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; allowed are {', '.join(map(repr, allowed))}")
        if not self.distill_weight >= 0:
            raise ValueError(f"distill_weight is {self.distill_weight}; λ must be 0 (no teacher) or positive")
        if (self.teacher_update == "steps") != (self.teacher_update_steps is not None):
            raise ValueError(
                f"teacher_update is {self.teacher_update!r} and teacher_update_steps {self.teacher_update_steps}; "
                'the number of steps goes with teacher_update="steps" and with no other'
            )
        if self.teacher_update_steps is not None and self.teacher_update_steps < 1:
            raise ValueError(f"teacher_update_steps is {self.teacher_update_steps}; it must be at least 1")
        if not 0 <= self.teacher_ema_decay <= 1:
            raise ValueError(f"teacher_ema_decay is {self.teacher_ema_decay}; it must lie between 0 and 1")
        whole_epochs = self.max_steps <= 0 and float(self.num_train_epochs).is_integer()
        if self.epoch_lr_schedule != "none" and not (whole_epochs and self.warmup_steps == 0):
            raise ValueError(
                f"epoch_lr_schedule is {self.epoch_lr_schedule!r}, which counts whole epochs and knows no warm-up, "
                f"but num_train_epochs is {self.num_train_epochs}, max_steps {self.max_steps} and warmup_steps "
                f'{self.warmup_steps}; change them, or set epoch_lr_schedule to "none"'
            )
        super().__post_init__()
