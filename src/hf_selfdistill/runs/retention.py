"""Measurements of the encoder in fine-tuning: retention on a reference set, and drift on the validation videos."""

from __future__ import annotations

import logging

import datasets

from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.data.splits import few_of_each_class, held_out_groups
from hf_selfdistill.evaluation.retention import RetentionCallback
from hf_selfdistill.evaluation.training_drift import DriftCallback
from hf_selfdistill.models.loading import FROM_SCRATCH
from hf_selfdistill.runs.configs import FinetuneConfig
from hf_selfdistill.runs.gallery import gallery_and_queries
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer
from hf_selfdistill.training.clips import testing_clips

__all__ = ["watch_drift", "watch_retention"]

logger = logging.getLogger(__name__)


class UnreadableReferencesCallback(UnreadableVideosCallback):
    """Callback for unreadable videos of the reference set; the Trainer takes one callback of each class."""


def watch_retention(trainer: SelfDistillationTrainer, config: FinetuneConfig) -> None:
    """Measure retention while the trainer trains, if there is a reference set and the encoder is pre-trained.

    Raises:
        ValueError: the reference set is wrong or too small.
    """
    reference = config.reference()
    if reference is None:
        return
    if config.model_name_or_path in FROM_SCRATCH:
        logger.warning("%s has random weights, so retention is not measured", config.model_name_or_path)
        return
    with config.main_process_first(desc="loading the reference set"):
        gallery, queries, _ = gallery_and_queries(reference.load(), "test")
    clips = [
        testing_clips(videos, trainer.model, trainer.processing_class, num_clips=1)
        for videos in _few(gallery, queries, config.reference_videos)
    ]
    logger.info("Retention is measured on %d videos against %d of %s", len(clips[1]), len(clips[0]), reference.dataset)
    known, asked = clips
    trainer.add_callback(RetentionCallback(trainer, known, asked, config.retention_epochs or 1))
    trainer.add_callback(UnreadableReferencesCallback(*clips, most=config.max_unreadable))


def watch_drift(trainer: SelfDistillationTrainer, config: FinetuneConfig) -> None:
    """Measure the drift after training, if the encoder is pre-trained and there are validation videos."""
    if config.drift and config.model_name_or_path not in FROM_SCRATCH and trainer.eval_dataset is not None:
        trainer.add_callback(DriftCallback(trainer, trainer.eval_dataset))


def _few(gallery: datasets.Dataset, queries: datasets.Dataset, number: int) -> list[datasets.Dataset]:
    """Return `number` videos of both parts in all, equally many of each class."""
    share = min(1, number / (len(gallery) + len(queries)))
    few = [few_of_each_class(videos, round(share * len(videos))) for videos in (gallery, queries)]
    if not len(few[1]) or not held_out_groups(few[0]["label"], few[0]["group"], 0.5, seed=0):
        raise ValueError(
            f"{len(few[0])} videos of the reference set for the gallery and {len(few[1])} queries: the linear probe "
            f"needs two groups of each class and a query; raise `reference_videos` {number}"
        )
    return few
