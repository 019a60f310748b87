"""Progress of a run: a bar, and a table with one row per epoch."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import defaultdict
from datetime import timedelta
from statistics import fmean
from typing import Any

from tqdm import tqdm
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerControl, TrainerState, TrainingArguments

__all__ = ["EpochTable", "show_epochs"]

_LEFT_OUT = re.compile(
    r"epoch|grad_norm|learning_rate|feature_std|total_flos|train_\w+|num_\w+"
    r"|eval_(runtime|num_videos|\w+_per_second|clip_\w+|\w+_top5|reference_\w+|retention_\w+)"
)


def show_epochs(trainer: Trainer) -> None:
    """Replace the dictionaries that transformers prints at every log by a table with one row per epoch."""
    printers = [trainer.pop_callback(kind) for kind in (ProgressCallback, PrinterCallback)]
    if any(printers):  # a notebook has a table of its own
        trainer.add_callback(EpochTable(bars=printers[0] is not None and _can_redraw()))


def _can_redraw() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ


class EpochTable(ProgressCallback):
    """Table of an epoch's mean losses and last validation metrics, and of the time that is left.

    Args:
        bars: show progress bars too. Without them the output is plain lines.
    """

    def __init__(self, bars: bool) -> None:
        super().__init__()
        self.bars = bars
        self.header: list[str] = []  # columns so far; an epoch can lack some
        self.logged: dict[str, list[float]] = defaultdict(list)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock, and the bar."""
        self.started, self.first_step, self.epoch = time.monotonic(), state.global_step, 0.0
        self.header = ["epoch", "left"]
        self.logged.clear()
        if self.bars:
            super().on_train_begin(args, state, control, **kwargs)

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Print the row of the epoch before; its validation is over now."""
        self._print_row(state)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the bar."""
        if self.bars:
            super().on_step_end(args, state, control, **kwargs)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Note the epoch that the next row is for."""
        self.epoch = state.epoch or 0.0

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Collect the values of the epoch."""
        for name, value in (logs or {}).items():
            if isinstance(value, int | float) and not _LEFT_OUT.fullmatch(name):
                if name.startswith("eval_"):
                    self.logged[name].clear()  # retention is also measured before the first step
                self.logged[name].append(value)

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the bar of an evaluation."""
        if self.bars:
            super().on_prediction_step(args, state, control, **kwargs)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Print the last row."""
        self._print_row(state)
        if self.bars:
            super().on_train_end(args, state, control, **kwargs)

    def _print_row(self, state: TrainerState) -> None:
        if not state.is_world_process_zero or not self.epoch or not self.logged:
            return
        done = state.global_step - self.first_step
        seconds = (time.monotonic() - self.started) / max(done, 1) * (state.max_steps - state.global_step)
        row = {name.removeprefix("eval_video_"): f"{fmean(values):.4g}" for name, values in self.logged.items()}
        row |= {"epoch": f"{self.epoch:g}/{state.num_train_epochs}", "left": str(timedelta(seconds=round(seconds)))}
        new = [name for name in row if name not in self.header]
        self.header += new
        lines = [self.header] if new else []
        for line in [*lines, [row.get(name, "–") for name in self.header]]:
            tqdm.write("  ".join(cell.rjust(max(len(name), 8)) for name, cell in zip(self.header, line, strict=True)))
        self.epoch = 0.0
        self.logged.clear()
