"""The models of a run's best epochs, kept beside that of the last one."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["CHOICE", "PARTS", "KeepBestCallback", "KeepBestOnTestCallback", "best_folder", "check_keep_best"]

logger = logging.getLogger(__name__)

PARTS = ("validation", "test")
CHOICE = "chosen.json"
"""In a folder of a best model: the part that chose it, its epoch and its accuracy there."""


def best_folder(output_dir: str | Path, part: str) -> Path:
    """Where a run keeps the model that was best on a part."""
    return Path(output_dir) / f"best-on-{part}"


def check_keep_best(
    parts: list[str], eval_strategy: str, validation_videos: int, adapters: bool, averaged: bool
) -> None:
    """Refuse what can't be kept.

    Args:
        parts: whose best epochs are to be kept.
        eval_strategy: of the training.
        validation_videos: how many there are.
        adapters: whether they are trained in place of the model.
        averaged: whether the model that counts is an average made after training.

    Raises:
        ValueError: nothing is evaluated during training, or what would be saved is not the model that counts.
    """
    if parts and (eval_strategy == "no" or validation_videos == 0):
        raise ValueError(
            f"--keep_best {' '.join(parts)} looks when the validation part is evaluated; set --eval_strategy epoch "
            "and --validation_fraction above 0"
        )
    if parts and adapters:
        raise ValueError(f"--keep_best {' '.join(parts)} does not go with --lora_rank")
    if parts and averaged:
        raise ValueError(
            f"--keep_best {' '.join(parts)} does not go with --regularizer wise_ft, which averages the weights of the "
            "last epoch after training; leave out one of the two"
        )


class KeepBestCallback(TrainerCallback):
    """Keeps the model with the highest video top-1 on the validation part, in `<output_dir>/best-on-validation`.

    It looks whenever the Trainer evaluates that part. A resumed run goes on from the best so far, which `chosen.json`
    in that folder tells.

    Args:
        trainer: whose model it is.
    """

    part = "validation"

    def __init__(self, trainer: VideoTrainer) -> None:
        self.trainer = trainer
        self.folder = best_folder(str(trainer.args.output_dir), self.part)
        self.best = -1.0
        self.in_training = False

    def top1(self, metrics: dict[str, float]) -> float:
        """The part's video top-1 at the moment when the validation part gave `metrics`."""
        return metrics["eval_video_top1"]

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """What an earlier run left in the folder counts only where this one continues it."""
        file = self.folder / CHOICE
        kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"step": 0}
        self.best = kept["video_top1"] if 0 < kept["step"] <= state.global_step else -1.0
        self.in_training = True

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """What is evaluated afterwards is no epoch's model."""
        self.in_training = False

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float],
        **kwargs: Any,
    ) -> None:
        """Keep the model if it is better."""
        if not self.in_training or "eval_video_top1" not in metrics:
            return
        top1 = self.top1(metrics)
        if top1 > self.best:
            self.best = top1
            self.trainer.save_without_upload(str(self.folder))
            if args.should_save:
                choice = {"part": self.part, "epoch": state.epoch, "step": state.global_step, "video_top1": top1}
                (self.folder / CHOICE).write_text(json.dumps(choice, indent=2) + "\n", encoding="utf-8")


class KeepBestOnTestCallback(KeepBestCallback):
    """The same on the test part, as the released code of RSPNet chooses. A figure chosen on the test part flatters.

    Args:
        trainer: whose model it is.
        clips: of that part.
    """

    part = "test"

    def __init__(self, trainer: VideoTrainer, clips: TestingClips) -> None:
        super().__init__(trainer)
        self.clips = clips

    def top1(self, metrics: dict[str, float]) -> float:
        """Test it now."""
        return self.trainer.evaluate(self.clips, metric_key_prefix="test")["test_video_top1"]
