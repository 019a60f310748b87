"""The metric of the pre-training objective, before and after fine-tuning."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from safetensors import safe_open
from transformers import BaseVideoProcessor, PreTrainedModel, TrainingArguments
from transformers.utils import cached_file

from hf_selfdistill.data.unlabelled import UnlabelledClips
from hf_selfdistill.evaluation.intervals import estimated_mean
from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.objective import OBJECTIVE_NAME
from hf_selfdistill.pretraining.objectives import OBJECTIVES
from hf_selfdistill.pretraining.trainer import PretrainingTrainer
from hf_selfdistill.training.arguments import device_values

__all__ = ["pretext_metrics"]

logger = logging.getLogger(__name__)


def pretext_metrics(
    encoder: str,
    encoders: dict[str, PreTrainedModel],
    processor: BaseVideoProcessor,
    records: datasets.Dataset,
    args: TrainingArguments,
) -> dict[str, Any] | None:
    """Return the objective's own metrics of each encoder, with the heads saved beside the pre-trained encoder.

    All encoders get the same samples of each video.

    Args:
        encoder: the pre-trained encoder: a folder, or a name on the Hub.
        encoders: encoders by name; a classifier's head is not used.
        processor: video processor of the pre-trained encoder, with its frame rate set.
        records: readable videos, with a column `group`.
        args: devices and batch size.

    Returns:
        The objective's `name` and, by the name of each encoder, its metrics with their intervals, without losses and
        undefined metrics; None if the pre-trained encoder has no heads of a known objective.

    Raises:
        ValueError: the heads do not fit the encoder.
    """
    file = cached_file(encoder, OBJECTIVE_NAME, _raise_exceptions_for_missing_entries=False)
    if file is None:
        return None
    with safe_open(file, "pt") as saved:
        about = saved.metadata() or {}
    kind = OBJECTIVES.get(about.get("objective", ""))
    if kind is None:
        logger.warning("%s has the unknown objective %s; its metric is not measured", file, about.get("objective"))
        return None
    objective_args = kind.Arguments(**json.loads(about["arguments"]))
    found: dict[str, Any] = {"name": kind.name}
    for name, model in encoders.items():
        objective = kind(copy.deepcopy(model.base_model).requires_grad_(True), objective_args)
        clips = UnlabelledClips(records, objective.views(processor), seed=0)
        trainer = PretrainingTrainer(objective, _arguments(args), processing_class=processor)
        objective.load(Path(file).parent)
        metrics = trainer.predict(clips).predictions
        found[name] = {
            metric: estimated_mean(
                torch.from_numpy(values), records["group"], highest=np.inf if metric.endswith("_mse") else 1
            ).as_dict()
            for metric, values in metrics.items()
            if not metric.endswith("_loss") and not np.isnan(values).all()
        }
    return found


def _arguments(args: TrainingArguments) -> PretrainingArguments:
    return PretrainingArguments(
        args.output_dir or "tmp_trainer",
        disable_tqdm=args.disable_tqdm,
        report_to="none",
        **device_values(args),
    )
