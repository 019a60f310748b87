"""Callbacks for uploads during a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

__all__ = ["CardCallback", "UploadWarningCallback"]

logger = logging.getLogger(__name__)


class UploadWarningCallback(TrainerCallback):
    """Callback that warns about failed background uploads.

    Training continues after a failure, and the next upload includes the missing files.

    Args:
        trainer: the trainer of the run, on the first process.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._watched: list[Future[Any]] = []

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Watch the upload that the Trainer has just started."""
        under_way = self.trainer.push_in_progress  # None before the first upload
        for job in under_way.jobs if under_way else ():
            if job not in self._watched:
                self._watched.append(job)
                job.add_done_callback(_warn_if_failed)


def _warn_if_failed(job: Future[Any]) -> None:
    error = job.exception()
    if error is not None:
        reason = " ".join(str(error).split())
        logger.warning("An upload failed; training continues, and the output folder is complete: %s", reason)


class CardCallback(TrainerCallback):
    """Callback that writes the record and the model card of the run so far before each upload.

    Args:
        write: function that writes both files on the first process.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self.write = write

    def on_push_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write both files."""
        self.write()
