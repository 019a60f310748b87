"""Uploads in the background: what fails there must be said, because the Trainer does not look."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

__all__ = ["UploadWarningCallback"]

logger = logging.getLogger(__name__)


class UploadWarningCallback(TrainerCallback):
    """Warns when an upload of a checkpoint fails; training goes on, and the next upload holds what this one did.

    Args:
        trainer: the one that uploads, on the first process.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._watched: list[Future[Any]] = []

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Comes after the Trainer has begun to upload."""
        under_way = self.trainer.push_in_progress  # None before the first upload
        for job in under_way.jobs if under_way else ():
            if job not in self._watched:
                self._watched.append(job)
                job.add_done_callback(_say_if_failed)


def _say_if_failed(job: Future[Any]) -> None:
    error = job.exception()
    if error is not None:
        reason = " ".join(str(error).split())
        logger.warning("an upload failed, training goes on, nothing is lost in the output folder: %s", reason)
