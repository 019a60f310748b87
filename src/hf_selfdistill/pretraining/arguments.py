"""Arguments of self-supervised pre-training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hf_selfdistill.training.arguments import VideoTrainingArguments, check_choice, check_positive

__all__ = ["PretrainingArguments"]


@dataclass
class PretrainingArguments(VideoTrainingArguments):
    """Self-supervised pre-training.

    Args:
        objective: what the encoder is trained on.
        clips_per_epoch: videos that make an epoch of a stream, over all processes; required with a stream only.
        learning_rate_batch_size: videos per step that `learning_rate` is meant for; it is multiplied by the actual
            number over this one (RSPNet: 64). By default it is taken as it is.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    objective: Literal["rspnet", "pace", "space_time_cubes", "motion_appearance"] = field(
        default="rspnet",
        metadata={"help": "What the encoder is trained on; with --help, shows the objective's own flags:"},
    )
    clips_per_epoch: int | None = field(default=None, metadata={"help": "With shards: videos that make an epoch."})
    learning_rate_batch_size: int | None = field(
        default=None,
        metadata={"help": "Videos per step that --learning_rate is for; scaled to the actual ones."},
    )
    dataloader_drop_last: bool = field(default=True, metadata={"help": "Drop the last batch of an epoch, if smaller."})

    def __post_init__(self) -> None:
        """Check our own arguments first."""
        check_choice("objective", self.objective, ("rspnet", "pace", "space_time_cubes", "motion_appearance"))
        check_positive("clips_per_epoch", self.clips_per_epoch)
        check_positive("learning_rate_batch_size", self.learning_rate_batch_size)
        super().__post_init__()

    @property
    def scaled_learning_rate(self) -> float:
        """The learning rate of the actual number of videos per step."""
        if self.learning_rate_batch_size is None:
            return self.learning_rate
        videos = self.train_batch_size * self.world_size * self.gradient_accumulation_steps
        return self.learning_rate * videos / self.learning_rate_batch_size
