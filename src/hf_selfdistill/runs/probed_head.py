"""Start of the head from a linear probe, as in LP-FT (Kumar et al., ICLR 2022, arXiv 2202.10054)."""

from __future__ import annotations

import logging

import datasets
import torch

from hf_selfdistill.evaluation.features import PooledFeatures
from hf_selfdistill.evaluation.probe import groups_to_choose_by, probe_head
from hf_selfdistill.evaluation.training_features import features_in_training
from hf_selfdistill.models.features import last_layer
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer
from hf_selfdistill.training.clips import testing_clips

__all__ = ["start_from_probe"]

logger = logging.getLogger(__name__)


def start_from_probe(trainer: SelfDistillationTrainer, videos: datasets.Dataset) -> None:
    """Set the head to the linear probe of the encoder's features of the training videos, one centre clip each.

    Args:
        trainer: the trainer before training.
        videos: the training videos, with a column `group`.

    Raises:
        ValueError: the probe lacks classes or groups.
    """
    groups_to_choose_by(videos["label"][:], videos["group"][:])  # fail early
    encoder = PooledFeatures(trainer.model).to(trainer.args.device)
    clips = testing_clips(videos, trainer.model, trainer.processing_class, num_clips=1)
    (features,) = features_in_training(trainer, clips, encoder)
    head = last_layer(trainer.model)
    weight, bias = probe_head(features, head.out_features)
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    logger.info("The head starts from a linear probe on %d training videos", len(features.labels))
