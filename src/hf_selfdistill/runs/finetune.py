"""Fine-tuning of a video classifier."""

from __future__ import annotations

import logging

import datasets
from transformers import set_seed

from hf_selfdistill.models.loading import load_classifier
from hf_selfdistill.runs.configs import FinetuneConfig
from hf_selfdistill.runs.inputs import begin_record
from hf_selfdistill.runs.probed_head import start_from_probe
from hf_selfdistill.runs.regularize import regularize
from hf_selfdistill.runs.retention import watch_drift, watch_retention
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer
from hf_selfdistill.training.record import RunRecord, kept_warnings

__all__ = ["build_trainer", "finetune"]

logger = logging.getLogger(__name__)


def finetune(config: FinetuneConfig) -> RunRecord:
    """Fine-tune a video classifier, and write the model, its record and its card to the output folder.

    To continue an interrupted run, set `resume_from_checkpoint="true"`.

    Raises:
        ValueError: the data set, the model and the arguments do not fit.
        OSError: there is no such model.
    """
    warnings: list[str] = []
    with kept_warnings(warnings):
        trainer = build_trainer(config)
    trainer.record.warnings = warnings
    trainer.train()
    trainer.end()
    return trainer.record


def build_trainer(config: FinetuneConfig) -> SelfDistillationTrainer:
    """Return the trainer of a run, ready to train.

    Raises:
        ValueError: the data set, the model and the arguments do not fit.
        OSError: there is no such model.
    """
    with config.main_process_first(desc="loading the data set"):
        videos = config.load_parts()
    labels = videos["train"].features["label"].names
    _log_videos(videos, labels)
    record = begin_record("finetune", config, videos)
    set_seed(config.seed)  # for random weights
    model, processor = load_classifier(
        config.model_name_or_path, labels, config.config_overrides, config.lora_rank, config.lora_target_modules
    )
    trainer = SelfDistillationTrainer(
        model,
        config,
        videos["train"],
        eval_dataset=videos["validation"],
        test_dataset=videos["test"],
        processing_class=processor,
        record=record,
    )
    if config.starts_from_probe:
        start_from_probe(trainer, videos["train"])
    regularize(trainer, config)
    watch_retention(trainer, config)
    watch_drift(trainer, config)
    return trainer


def _log_videos(videos: datasets.DatasetDict, labels: list[str]) -> None:
    parts = {part: videos[part] for part in ("train", "validation", "test")}
    logger.info("%d training, %d validation and %d test videos of %d classes", *map(len, parts.values()), len(labels))
    for part, records in parts.items():
        absent = sorted(set(range(len(labels))) - set(records["label"][:]))
        if absent and len(records):
            logger.warning("No %s video of %s", part, ", ".join(labels[index] for index in absent))
