"""Drift of the encoder from the beginning to the end of a fine-tuning, on the validation clips."""

from __future__ import annotations

import copy
import logging
from typing import Any

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.evaluation.features import PooledFeatures
from hf_selfdistill.evaluation.forgetting import drift
from hf_selfdistill.evaluation.training_features import features_in_training
from hf_selfdistill.training.encoder_copy import take_over
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["DriftCallback"]

logger = logging.getLogger(__name__)


class DriftCallback(TrainerCallback):
    """Callback that measures the drift of the encoder after training; labels are not used.

    It logs `eval_drift_cka` (missing if CKA has no value) and `eval_drift_relative_l2`, and adds `drift` to the
    findings of the trainer: `cosine`, `relative_l2`, `cka`, `effective_rank_before` and `effective_rank_after` with
    their intervals (see `drift`), and `num_videos`.

    Args:
        trainer: trainer before `train`; its model is θ⁰, not yet replaced by a checkpoint.
        clips: clips of the validation videos, with a column `group`.
    """

    def __init__(self, trainer: VideoTrainer, clips: TestingClips) -> None:
        self.trainer, self.clips = trainer, clips
        self.before = PooledFeatures(trainer.model).cpu()  # memory of the device is for the training

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Compare the final encoder with θ⁰."""
        before = copy.deepcopy(self.before).to(args.device)
        after = copy.deepcopy(before)
        take_over(after.encoder, model)
        try:
            old, new = features_in_training(self.trainer, self.clips, before, after)
        except ValueError as error:  # the encoder has diverged
            logger.warning("The drift is not measured: %s", error)
            return
        measured = drift(old, new)
        del measured["layers"]
        self.trainer.found["drift"] = {**measured, "num_videos": len(new.labels)}
        logs = {"eval_drift_relative_l2": measured["relative_l2"]["value"]}
        if measured["cka"] is not None:
            logs["eval_drift_cka"] = measured["cka"]["value"]
        self.trainer.log(logs)
