"""Signals that end a run with a checkpoint."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

__all__ = ["StopOnSignalCallback"]

logger = logging.getLogger(__name__)

SIGNALS = [number for number in signal.Signals if number.name in ("SIGTERM", "SIGINT", "SIGHUP")]


class StopOnSignalCallback(TrainerCallback):
    """Callback that requests a checkpoint after the step in which SIGTERM, SIGINT or SIGHUP arrives.

    All processes stop at the same step, whichever of them received the signal. transformers' `enable_jit_checkpoint`
    stops each process separately, evaluates and saves a model afterwards, and handles only SIGTERM.
    """

    def __init__(self) -> None:
        self.received = self.agreed = 0
        self.saved = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals that are not ignored, if this is the main thread."""
        self.received, self.agreed, self.saved = 0, 0, False
        own = SIGNALS if threading.current_thread() is threading.main_thread() else []
        before = {number: signal.getsignal(number) for number in own}
        before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
        try:
            for number in before:
                signal.signal(number, self._note)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        # Launchers forward signals, so only the second Ctrl-C of a single process ends it at once.
        if self.received and number == signal.SIGINT and not torch.distributed.is_initialized():
            raise KeyboardInterrupt
        self.received = self.received or number

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Request a checkpoint if a process received a signal; a collective call."""
        self.agreed = self.received
        if torch.distributed.is_initialized() and args.world_size > 1:
            highest = torch.tensor(self.received, device=args.device)
            torch.distributed.all_reduce(highest, torch.distributed.ReduceOp.MAX)
            self.agreed = int(highest)
        control.should_save |= bool(self.agreed)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Note that the requested checkpoint was written."""
        self.saved = bool(self.agreed)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End the process with the exit code 128 + signal number, if the requested checkpoint was written."""
        if self.saved:
            if state.is_world_process_zero:
                name = signal.Signals(self.agreed).name
                logger.warning(
                    "%s: stopped after checkpoint-%d; the same command continues the run", name, state.global_step
                )
            sys.exit(128 + self.agreed)

    on_epoch_begin = on_train_end = on_step_begin  # the next event after the last step of an epoch, or of the run
