"""Order of the evaluation and the checkpoint at the end of an epoch."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

__all__ = ["SaveAfterEpochCallback"]


class SaveAfterEpochCallback(TrainerCallback):
    """Callback that saves the checkpoint of an epoch's last step after the end-of-epoch evaluation.

    With `save_strategy="steps"` the Trainer saves first. A run that is killed between the two and resumed would begin
    the next epoch without the evaluation, the retention and the best model of the previous epoch.
    """

    def __init__(self) -> None:
        self.due = False

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Postpone the checkpoint of an epoch's last step."""
        self.due = control.should_save and float(state.epoch or 0).is_integer()  # a whole number at the last step
        control.should_save &= not self.due

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Request the postponed checkpoint; the Trainer evaluates before it saves."""
        control.should_save |= self.due
        self.due = False
