"""What belongs to the end of an epoch comes before the checkpoint that is saved there."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

__all__ = ["SaveAfterEpochCallback"]


class SaveAfterEpochCallback(TrainerCallback):
    """Has a checkpoint of an epoch's last step saved when the epoch's evaluation is done.

    With `save_strategy="steps"` the Trainer saves first. A run that was killed in between, and resumed, would begin
    the next epoch without the evaluation, the retention and the best model of the one before.
    """

    def __init__(self) -> None:
        self.due = False

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Wait where it is the last step: the epoch is a whole number then."""
        self.due = control.should_save and float(state.epoch or 0).is_integer()
        control.should_save &= not self.due

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Save; the Trainer evaluates first."""
        control.should_save |= self.due
        self.due = False
