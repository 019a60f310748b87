"""Self-supervised pre-training of an encoder."""

from __future__ import annotations

from transformers import set_seed

from hf_selfdistill.models.loading import load_encoder
from hf_selfdistill.pretraining.objectives import OBJECTIVES
from hf_selfdistill.pretraining.trainer import PretrainingTrainer
from hf_selfdistill.runs.configs import PretrainConfig
from hf_selfdistill.runs.inputs import begin_record
from hf_selfdistill.training.record import RunRecord

__all__ = ["build_trainer", "pretrain"]


def pretrain(config: PretrainConfig) -> RunRecord:
    """Pre-train an encoder, and write the encoder, its record and its card to the output folder.

    Raises:
        ValueError: the videos, the encoder and the arguments do not fit.
        OSError: there is no such encoder.
    """
    trainer = build_trainer(config)
    trainer.train()
    trainer.end()
    return trainer.record


def build_trainer(config: PretrainConfig) -> PretrainingTrainer:
    """Return the trainer of a run, ready to train.

    Raises:
        ValueError: the videos, the encoder and the arguments do not fit.
        OSError: there is no such encoder.
    """
    arguments = OBJECTIVES[config.objective].Arguments(**config.objective_arguments)
    set_seed(config.seed)  # for random weights
    encoder, processor = load_encoder(str(config.model_type or config.model_name_or_path), config.config_overrides)
    with config.main_process_first(desc="loading the data set"):
        videos = config.load(config.max_unreadable)
    record = begin_record("pretrain", config, videos, videos=config.describe())
    return PretrainingTrainer(
        encoder,
        config,
        videos["train"],
        videos.get("validation"),
        processing_class=processor,
        objective_arguments=arguments,
        record=record,
    )
