"""What a data set of clips must learn from a training run, and what a run must learn from it."""

from __future__ import annotations

import logging
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.clips import TestingClips, TrainingClips

__all__ = ["EpochCallback", "UnreadableVideosCallback"]

logger = logging.getLogger(__name__)


class EpochCallback(TrainerCallback):
    """Tells the training clips which epoch it is.

    Accelerate's own `set_epoch` reaches a data set neither in a distributed run nor after a resume within an epoch.
    """

    def __init__(self, clips: TrainingClips) -> None:
        self.clips = clips

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The epoch is fractional where a run resumes within it."""
        self.clips.set_epoch(int(state.epoch))


class UnreadableVideosCallback(TrainerCallback):
    """Names each video that can't be read once, with the reason, and stops where they are too many.

    Args:
        clips: the data sets of the run.
        most: the share of a data set that may be unreadable.
    """

    def __init__(self, *clips: TrainingClips | TestingClips, most: float = 0.05) -> None:
        self.clips = clips
        self.most = most
        self.failures: list[dict[str, str]] = []
        self._known: set[tuple[int, int]] = set()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Look after each step: a run on broken data should end in its first minute."""
        self.check()

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Look after each evaluation."""
        self.check()

    def check(self) -> None:
        """Note and name what has become known as unreadable in this process.

        Raises:
            ValueError: more than the allowed share of a data set is unreadable.
        """
        for part, clips in enumerate(self.clips):
            unreadable = clips.unreadable_indices()
            for index in unreadable:
                if (part, index) not in self._known:
                    self._known.add((part, index))
                    self._note(clips.why_unreadable(index))
            if len(unreadable) > self.most * len(clips):
                raise ValueError(
                    f"{len(unreadable)} of {len(clips)} videos can't be read, more than --max_unreadable "
                    f"{self.most:g} allows; the first: {clips.why_unreadable(unreadable[0])}"
                )

    def _note(self, error: Any) -> None:
        self.failures.append({"video": error.video, "reason": error.reason})
        logger.warning("left out, can't be read: %s", error)
