"""Pre-training as a config asks for it."""

from __future__ import annotations

from transformers import set_seed

from hf_selfdistill.models.loading import load_encoder
from hf_selfdistill.pretraining.objectives import OBJECTIVES
from hf_selfdistill.pretraining.trainer import PretrainingTrainer
from hf_selfdistill.runs.configs import PretrainConfig
from hf_selfdistill.runs.inputs import hashes_of_models
from hf_selfdistill.training.record import Input, RunRecord

__all__ = ["build_trainer", "pretrain"]


def pretrain(config: PretrainConfig) -> RunRecord:
    """Pre-train an encoder, and leave it, its record and its card in the output folder.

    Raises:
        ValueError: the videos, the encoder and the arguments do not fit.
        OSError: there is no such encoder.
    """
    trainer = build_trainer(config)
    trainer.train()
    trainer.end()
    return trainer.record


def build_trainer(config: PretrainConfig) -> PretrainingTrainer:
    """Return the trainer of a run, with everything in place and nothing trained.

    Raises:
        ValueError: the videos, the encoder and the arguments do not fit.
        OSError: there is no such encoder.
    """
    arguments = OBJECTIVES[config.objective].Arguments(**config.objective_arguments)
    set_seed(config.seed)  # of random weights
    encoder, processor = load_encoder(str(config.model_type or config.model_name_or_path), config.config_overrides)
    with config.main_process_first(desc="loading the data set"):
        videos = config.load(config.max_unreadable)
    models = hashes_of_models(encoder=config.model_name_or_path)
    record = RunRecord(
        "pretrain",
        config.to_dict(),
        config.identity(),
        {name: Input(sha256) for name, sha256 in models.items()},
        model={"videos": config.describe()},
    )
    return PretrainingTrainer(
        encoder,
        config,
        videos["train"],
        videos.get("validation"),
        processing_class=processor,
        objective_arguments=arguments,
        record=record,
    )
