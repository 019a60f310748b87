"""Arguments of self-supervised pre-training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from hf_selfdistill.training.arguments import VideoTrainingArguments, check_choice, check_full_eval, check_positive

__all__ = ["PretrainingArguments"]

ObjectiveName = Literal["rspnet", "pace", "space_time_cubes", "motion_appearance"]


@dataclass
class PretrainingArguments(VideoTrainingArguments):
    """Self-supervised pre-training.

    Args:
        objective: name of the self-supervised objective.
        clips_per_epoch: number of videos in an epoch of a stream, over all processes; required for streams.
        learning_rate_batch_size: number of videos per step that `learning_rate` is meant for (RSPNet: 64). The
            learning rate is scaled linearly to the actual number; by default it is not scaled.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    objective: ObjectiveName = field(
        default="rspnet", metadata={"help": "Self-supervised objective; with --help, shows the objective's own flags:"}
    )
    clips_per_epoch: int | None = field(default=None, metadata={"help": "Number of videos in an epoch of shards."})
    learning_rate_batch_size: int | None = field(
        default=None,
        metadata={"help": "Videos per step that --learning_rate is meant for; scaled to the actual number."},
    )
    dataloader_drop_last: bool = field(default=True, metadata={"help": "Drop an incomplete last batch of an epoch."})

    def __post_init__(self) -> None:
        """Check our own arguments first."""
        check_choice("objective", self.objective, get_args(ObjectiveName))
        check_positive("clips_per_epoch", self.clips_per_epoch)
        check_positive("learning_rate_batch_size", self.learning_rate_batch_size)
        check_full_eval(self)
        super().__post_init__()

    @property
    def scaled_learning_rate(self) -> float:
        """The learning rate for the actual number of videos per step."""
        if self.learning_rate_batch_size is None:
            return self.learning_rate
        videos = self.train_batch_size * self.world_size * self.gradient_accumulation_steps
        return self.learning_rate * videos / self.learning_rate_batch_size
