"""What an encoder forgets while it is fine-tuned: retention on a small reference set, every few epochs."""

from __future__ import annotations

import logging
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.clips import TestingClips, collate_clips
from hf_selfdistill.evaluation.features import FeatureSet, PooledFeatures, feature_set
from hf_selfdistill.evaluation.forgetting import HEADLINE, accuracies, chance, retentions
from hf_selfdistill.training.encoder_copy import take_over

__all__ = ["RetentionCallback"]

logger = logging.getLogger(__name__)


class RetentionCallback(TrainerCallback):
    """Logs, before training and at the end of epochs, what a linear probe and kNN read off the encoder.

    These are `eval_retention` with `eval_retention_low` and `eval_retention_high`, and `eval_retention_knn` (see
    `retentions`; absent where the encoder before training was not surely better than chance), and the accuracies
    `eval_reference_linear_probe_top1` and `eval_reference_knn_top1`. They are logged through `Trainer.log`: to all
    trackers and into `trainer_state.json`.

    It measures a copy. The model in training, its mode, its gradients and the random generators are left alone.

    Args:
        trainer: that trains, before `train`: its model is θ⁰, whose weights no checkpoint has replaced yet.
        known: videos of the reference set to learn from, with a column `group`.
        asked: those to ask.
        epochs: measure after every so many, and after the last step.

    Raises:
        ValueError: the number of epochs is not positive; when training begins, the reference set is too small.
    """

    def __init__(self, trainer: Trainer, known: TestingClips, asked: TestingClips, epochs: int = 1) -> None:
        if epochs < 1:
            raise ValueError(f"--retention_epochs is {epochs}; it must be at least 1")
        self.trainer, self.known, self.asked, self.epochs = trainer, known, asked, epochs
        self.encoder = PooledFeatures(trainer.model)
        self.before: dict[str, Tensor] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure θ⁰, once, also where a run resumes."""
        if not self.before:
            self.encoder.to(args.device)
            known, asked = self._feature_sets()
            self.before, self.chance, self.groups = accuracies(known, asked), chance(known, asked), asked.groups
            if retentions(self.before, self.before, self.groups, self.chance)[HEADLINE] is None:
                logger.warning(
                    "before training the encoder is not surely better than chance on the reference set: "
                    "accuracies are logged, and no retention"
                )
        if state.global_step == 0:
            self._log(self.before, control)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Measure the encoder as it stands."""
        if round(state.epoch or 0) % self.epochs == 0 or state.global_step >= state.max_steps:
            take_over(self.encoder.encoder, model)
            try:
                right = accuracies(*self._feature_sets())
            except ValueError as error:  # it has diverged; whether to go on is not for a measurement to say
                logger.warning("retention is not measured: %s", error)
            else:
                self._log(right, control)

    def _log(self, right: dict[str, Tensor], control: TrainerControl) -> None:
        logs = {
            f"eval_reference_{name}": right[name].double().mean().item() for name in ("linear_probe_top1", "knn_top1")
        }
        kept = retentions(self.before, right, self.groups, self.chance)
        for name, key in ((HEADLINE, "eval_retention"), ("knn_top1", "eval_retention_knn")):
            if (estimate := kept[name]) is not None:
                logs[key] = estimate.value
        if (estimate := kept[HEADLINE]) is not None:
            logs |= {"eval_retention_low": estimate.low, "eval_retention_high": estimate.high}
        wanted = control.should_log
        self.trainer.log(logs)
        control.should_log = wanted  # the Trainer takes any log for the one that is due

    def _feature_sets(self) -> tuple[FeatureSet, FeatureSet]:
        return self._features(self.known), self._features(self.asked)

    @torch.no_grad()
    def _features(self, clips: TestingClips) -> FeatureSet:
        """Features of all readable videos, in their order, whole on every process; each computes its share."""
        args = self.trainer.args
        mine = torch.arange(args.process_index, len(clips), args.world_size)
        loader = DataLoader(
            Subset(clips, mine.tolist()),
            args.per_device_eval_batch_size,
            num_workers=args.dataloader_num_workers,
            collate_fn=collate_clips,
            generator=torch.Generator(),  # else it would draw from the global one
        )
        batches = []
        for places, batch in zip(mine.split(args.per_device_eval_batch_size), loader, strict=False):
            with self.trainer.accelerator.autocast():
                outputs = self.encoder(**{name: value.to(args.device) for name, value in batch.items()})
            batches.append((places, batch["labels"][:, 0], outputs["features"].cpu()))
        places, labels, features = (torch.cat(part) for part in zip(*gather_object(batches), strict=True))
        order = places.argsort()
        return feature_set([features[order]], labels[order], clips)
