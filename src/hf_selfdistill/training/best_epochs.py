"""Models of a run's best epochs, kept in addition to the model of the last epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.whole_files import write_json

if TYPE_CHECKING:
    from hf_selfdistill.data.clips import TestingClips
    from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["CHOICE", "KeepBestCallback", "KeepBestOnTestCallback", "best_folder"]

CHOICE = "chosen.json"
"""File in the folder of a best model: the part that chose the model, the epoch, and the accuracy on that part."""


def best_folder(output_dir: str | Path, part: str) -> Path:
    """Return the folder of the best model on a part."""
    return Path(output_dir) / f"best-on-{part}"


class KeepBestCallback(TrainerCallback):
    """Callback that keeps the model with the highest video top-1 on a part, in `<output_dir>/best-on-<part>`.

    Models are compared whenever the Trainer evaluates the validation part. A resumed run continues from the best model
    so far, as recorded in `chosen.json` of that folder.

    Args:
        trainer: the trainer of the model.
        test_clips: clips of the test part, to choose on that part as RSPNet's released code does. The accuracy on the
            part that chose the model is then too high. By default the validation part chooses.
    """

    def __init__(self, trainer: VideoTrainer, test_clips: TestingClips | None = None) -> None:
        self.trainer, self.test_clips = trainer, test_clips
        self.part = "validation" if test_clips is None else "test"
        self.folder = best_folder(str(trainer.args.output_dir), self.part)
        self.best = -1.0
        self.in_training = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Continue from the best model of an earlier run only if this run resumes that run."""
        file = self.folder / CHOICE
        kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"step": 0}
        self.best = kept["video_top1"] if 0 < kept["step"] <= state.global_step else -1.0
        self.in_training = True

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop the comparison, as later evaluations do not belong to an epoch."""
        self.in_training = False

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float],
        **kwargs: Any,
    ) -> None:
        """Keep the model if it is better than the best one so far."""
        if not self.in_training or "eval_video_top1" not in metrics:
            return
        top1 = metrics["eval_video_top1"]
        if self.test_clips is not None:
            top1 = self.trainer.evaluate(self.test_clips, metric_key_prefix="test")["test_video_top1"]
        if top1 > self.best:
            self.best = top1
            choice = {"part": self.part, "epoch": state.epoch, "step": state.global_step, "video_top1": top1}
            self.trainer.save_copy(self.folder)
            if args.should_save:
                write_json(self.folder / CHOICE, choice)


class KeepBestOnTestCallback(KeepBestCallback):
    """Callback that chooses on the test part; a separate class, as the Trainer accepts one callback of each class."""
