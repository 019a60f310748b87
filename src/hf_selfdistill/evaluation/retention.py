"""Retention on a small reference set, measured every few epochs of a fine-tuning."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.evaluation.features import FeatureSet, PooledFeatures
from hf_selfdistill.evaluation.forgetting import HEADLINE, accuracies, chance, retentions
from hf_selfdistill.evaluation.training_features import features_in_training
from hf_selfdistill.training.encoder_copy import take_over, whole
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["RetentionCallback"]

logger = logging.getLogger(__name__)


class RetentionCallback(TrainerCallback):
    """Callback that logs retention and accuracy of a linear probe and of kNN, before training and after epochs.

    The logs are `eval_retention` with `eval_retention_low` and `eval_retention_high`, `eval_retention_knn` (see
    `retentions`; missing if there is no retention), `eval_reference_linear_probe_top1` and
    `eval_reference_knn_top1`. The last measurement is `retention` in the findings of the trainer.

    It measures a copy of the encoder. The model in training, its mode, its gradients and the global random generators
    do not change.

    Args:
        trainer: trainer before `train`; its model is θ⁰, not yet replaced by a checkpoint.
        gallery: training videos of the reference set, with a column `group`.
        queries: test videos of the reference set, with a column `group`.
        retention_epochs: number of epochs between measurements; the last step is measured too.

    Raises:
        ValueError: `retention_epochs` is not positive; in `on_train_begin`, the reference set is too small.
    """

    def __init__(
        self, trainer: VideoTrainer, gallery: TestingClips, queries: TestingClips, retention_epochs: int = 1
    ) -> None:
        if retention_epochs < 1:
            raise ValueError(f"`retention_epochs` is {retention_epochs}; it must be at least 1")
        self.trainer, self.gallery, self.queries = trainer, gallery, queries
        self.retention_epochs = retention_epochs
        self.encoder = PooledFeatures(trainer.model)
        self.before: dict[str, Tensor] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure θ⁰ once, also in a resumed run."""
        if not self.before:
            self.encoder.to(args.device)
            parts = self._feature_sets()
            self.before, self.chance, self.groups = accuracies(*parts), chance(*parts), parts[1].groups
            if retentions(self.before, self.before, self.groups, self.chance)[HEADLINE] is None:
                logger.warning(
                    "Before training, the interval of the encoder's accuracy on the reference set includes chance: "
                    "accuracies are logged, but no retention"
                )
        if state.global_step == 0:
            self._log(self.before, control)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Measure the current encoder."""
        if round(state.epoch or 0) % self.retention_epochs == 0 or state.global_step >= state.max_steps:
            self._measure(model, control)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Measure the final encoder if it is not the one of the last measurement, but an average or a best epoch."""
        weights, measured = model.state_dict(), dict(self.encoder.encoder.named_parameters())
        if any(not torch.equal(whole(weights[name]), value) for name, value in measured.items()):
            self._measure(model, control)

    def _measure(self, model: nn.Module, control: TrainerControl) -> None:
        take_over(self.encoder.encoder, model)
        try:
            after = accuracies(*self._feature_sets())
        except ValueError as error:  # the encoder has diverged; the training itself decides whether to end
            logger.warning("retention is not measured: %s", error)
        else:
            self._log(after, control)

    def _log(self, after: dict[str, Tensor], control: TrainerControl) -> None:
        logs = {f"eval_reference_{name}": value for name, value in _means(after).items()}
        kept = retentions(self.before, after, self.groups, self.chance)
        if (found := kept[HEADLINE]) is not None:
            logs |= {"eval_retention": found.value, "eval_retention_low": found.low, "eval_retention_high": found.high}
        if (found := kept["knn_top1"]) is not None:
            logs["eval_retention_knn"] = found.value
        self.trainer.found["retention"] = {
            "value": logs.get("eval_retention"),
            "low": logs.get("eval_retention_low"),
            "high": logs.get("eval_retention_high"),
            "before": _means(self.before),
            "after": _means(after),
            "chance": self.chance,
        }
        should_log = control.should_log
        self.trainer.log(logs)
        control.should_log = should_log  # `log` resets it, and the log of the training is still due

    def _feature_sets(self) -> list[FeatureSet]:
        return [
            features
            for part in (self.gallery, self.queries)
            for features in features_in_training(self.trainer, part, self.encoder)
        ]


def _means(correct: dict[str, Tensor]) -> dict[str, float]:
    return {name: correct[name].double().mean().item() for name in ("linear_probe_top1", "knn_top1")}
