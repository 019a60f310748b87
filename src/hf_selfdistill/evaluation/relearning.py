"""How long an encoder takes to learn again what it has forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed

from hf_selfdistill.data.callbacks import EpochCallback
from hf_selfdistill.data.clips import TestingClips, TrainingClips, collate_clips
from hf_selfdistill.models.features import last_layer
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.multi_clip import MultiClipAccuracy, rows_of_videos
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["Relearning", "relearn"]


@dataclass
class Relearning(TrainerCallback):
    """Stops a training at the first epoch whose accuracy is the target's or better, and keeps what was measured.

    Args:
        target: video top-1, a fraction of 1.
        epochs: after how many it was reached; None where it was not.
        steps: of the optimiser, likewise.
        video_top1: after each epoch.
    """

    target: float
    epochs: int | None = None
    steps: int | None = None
    video_top1: list[float] = field(default_factory=list)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float],
        **kwargs: Any,
    ) -> None:
        """Compare with the target."""
        self.video_top1.append(metrics["eval_video_top1"])
        if self.video_top1[-1] >= self.target:
            self.epochs, self.steps = len(self.video_top1), state.global_step
            control.should_training_stop = True


def relearn(
    model: PreTrainedModel, known: TrainingClips, asked: TestingClips, target: float, args: VideoTrainingArguments
) -> Relearning:
    """Train a classifier with a new head on a reference set until its test accuracy reaches the target.

    Args:
        model: of the reference set's classes; it is trained, and its head drawn anew.
        known: training videos.
        asked: test videos, on which the accuracy is measured after every epoch.
        target: video top-1, a fraction of 1.
        args: the recipe; `num_train_epochs` is the most it may take.
    """
    args.eval_strategy = "epoch"
    set_seed(args.seed)
    last_layer(model).reset_parameters()
    relearning = Relearning(target)
    trainer = VideoTrainer(
        model,
        args,
        train_dataset=known,
        eval_dataset=asked,
        data_collator=collate_clips,
        compute_metrics=MultiClipAccuracy(known.records.features["label"].names),
        preprocess_logits_for_metrics=rows_of_videos,
        callbacks=[EpochCallback(known), relearning],
    )
    trainer.train()
    return relearning
