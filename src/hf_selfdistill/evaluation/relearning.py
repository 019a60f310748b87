"""Relearning: the time until a fine-tuned encoder is as accurate on a reference set as it was before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, set_seed

from hf_selfdistill.data.callbacks import EpochCallback
from hf_selfdistill.data.clips import TestingClips, TrainingClips, collate_clips
from hf_selfdistill.models.features import last_layer
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.multi_clip import MultiClipAccuracy, rows_of_videos
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["Relearning", "relearn"]


@dataclass
class Relearning(TrainerCallback):
    """Callback that ends a training at the first epoch that reaches the target accuracy, and stores the accuracies.

    Args:
        target: video top-1 to reach, a fraction of 1.
        epochs: number of epochs until the target is reached; None if it is not.
        steps: number of optimizer steps until the target is reached; None if it is not.
        video_top1: video top-1 after each epoch.
    """

    target: float
    epochs: int | None = None
    steps: int | None = None
    video_top1: list[float] = field(default_factory=list)

    def on_evaluate(
        self, args: Any, state: TrainerState, control: TrainerControl, metrics: dict[str, float], **kwargs: Any
    ) -> None:
        """Compare the accuracy with the target."""
        self.video_top1.append(metrics["eval_video_top1"])
        if self.video_top1[-1] >= self.target:
            self.epochs, self.steps = len(self.video_top1), state.global_step
            control.should_training_stop = True


def relearn(
    model: PreTrainedModel, gallery: TrainingClips, queries: TestingClips, target: float, args: VideoTrainingArguments
) -> Relearning:
    """Train a classifier with a new head on a reference set until its test accuracy reaches the target.

    Args:
        model: classifier for the reference set's classes; its weights are changed.
        gallery: training videos.
        queries: test videos, classified after every epoch.
        target: video top-1 to reach, a fraction of 1.
        args: the recipe; `num_train_epochs` is the largest number of epochs.
    """
    args.eval_strategy = "epoch"
    set_seed(args.seed)
    last_layer(model).reset_parameters()
    relearning = Relearning(target)
    trainer = VideoTrainer(
        model,
        args,
        train_dataset=gallery,
        eval_dataset=queries,
        data_collator=collate_clips,
        compute_metrics=MultiClipAccuracy(gallery.records.features["label"].names),
        preprocess_logits_for_metrics=rows_of_videos,
        callbacks=[EpochCallback(gallery), relearning],
    )
    trainer.train()
    return relearning
