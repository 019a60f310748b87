"""What training on video adds to transformers' TrainingArguments, whatever the loss."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from transformers import TrainingArguments

from hf_selfdistill.training.schedule import EPOCH_SCHEDULES

__all__ = ["VideoTrainingArguments", "check_choice"]


def check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Refuse a value that is not among the allowed ones.

    Raises:
        ValueError: it names the argument, the value and what is allowed.
    """
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed are {', '.join(map(repr, allowed))}")


@dataclass
class VideoTrainingArguments(TrainingArguments):
    """Training of a video model.

    Args:
        sync_batch_norm: BatchNorm takes its statistics over the clips of all processes, in the teacher too; by
            default each process normalises with its own. Needs GPUs.
        epoch_lr_schedule: a learning rate that stays constant within an epoch, as released recipes have it, see
            `epoch_schedule`; `"none"`: `lr_scheduler_type`, per step.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    sync_batch_norm: bool = field(
        default=False, metadata={"help": "Statistics of BatchNorm over the clips of all processes (GPUs only)."}
    )
    epoch_lr_schedule: Literal["none", "cosine", "multi_step", "thirds"] = field(
        default="none", metadata={"help": "A learning rate constant within an epoch, instead of --lr_scheduler_type."}
    )
    weight_decay: float = field(
        default=0.0,
        metadata={
            "help": "Weight decay; of C3D and R(2+1)D on every parameter, of other models as transformers chooses."
        },
    )
    resume_from_checkpoint: str | None = field(
        default=None,
        metadata={"help": "A checkpoint's folder; true: the last one of --output_dir; or user/model on the Hub."},
    )
    # The Trainer would drop the columns that the clips are read from.
    remove_unused_columns: bool = field(default=False, metadata={"help": "Drop columns the model does not take."})

    def __post_init__(self) -> None:
        """Check our own arguments before transformers checks its own."""
        given = (self.optim_args or "").replace(" ", "")
        if given and not re.fullmatch(r"\w+=[^=,]+(,\w+=[^=,]+)*", given):
            raise ValueError(f"optim_args is {self.optim_args!r}; give name=value[,name=value], such as momentum=0.9")
        check_choice("epoch_lr_schedule", self.epoch_lr_schedule, ("none", *EPOCH_SCHEDULES))
        whole_epochs = self.max_steps <= 0 and float(self.num_train_epochs).is_integer()
        if self.epoch_lr_schedule != "none" and not (whole_epochs and self.warmup_steps == 0):
            raise ValueError(
                f"epoch_lr_schedule is {self.epoch_lr_schedule!r}, which counts whole epochs and knows no warm-up, "
                f"but num_train_epochs is {self.num_train_epochs}, max_steps {self.max_steps} and warmup_steps "
                f'{self.warmup_steps}; change them, or set epoch_lr_schedule to "none"'
            )
        super().__post_init__()
