"""Evaluation of a classifier, or of the features of a frozen encoder."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import datasets

from hf_selfdistill.data.origin import hash_of_videos, origin_of
from hf_selfdistill.models.loading import load_for_inference
from hf_selfdistill.runs.configs import EvaluateConfig
from hf_selfdistill.runs.results import keep_results, prepare_output
from hf_selfdistill.training.accuracies import MEASURED
from hf_selfdistill.training.classification import ClassificationTrainer
from hf_selfdistill.training.clips import set_sampling
from hf_selfdistill.training.record import Result, RunRecord

__all__ = ["evaluate"]

logger = logging.getLogger(__name__)


def evaluate(config: EvaluateConfig) -> Result:
    """Test a model, write the results to `output_file`, and add them to record and card of the model's folder.

    Raises:
        ValueError: the data set, the model and the task do not fit, or too many videos can't be read.
        OSError: there is no such model.
    """
    ready = prepare_output(config)
    baseline = _read_baseline(config.baseline_file)
    with config.main_process_first(desc="loading the data set"):
        videos = config.load(config.max_unreadable)
    if len(videos[config.part]) == 0:
        raise ValueError(f"the {config.part} part of {config.dataset} is empty")
    if config.task == "classification":
        values = _test(ready, videos[config.part])
    else:
        from hf_selfdistill.runs.features import evaluate_features

        values = evaluate_features(ready, videos)
    if baseline is not None:
        values["baseline"] = baseline
    return keep_results(config, values, videos)


def _test(config: EvaluateConfig, videos: datasets.Dataset) -> dict[str, Any]:
    model, processor = load_for_inference(config.model_name_or_path)
    _warn_of_seen_videos(config.model_name_or_path, videos)
    set_sampling(processor, config)
    trainer = ClassificationTrainer(model, config, processing_class=processor)
    values = trainer.evaluate(videos, num_clips=config.num_clips)
    trainer.end()
    return values


def _warn_of_seen_videos(name: str, videos: datasets.Dataset) -> None:
    """Warn if the model's run held out other videos, because videos were added or the official split differs."""
    record, origin = RunRecord.load(name), origin_of(videos)
    if record is None or record.model.get("dataset") != origin.dataset or origin.part == "train":
        return
    held_out = record.inputs.get(origin.part)
    if held_out is not None and held_out.sha256 != hash_of_videos(videos):
        logger.warning(
            "The %s part, %d videos, is not the one that the run of %s held out, %d videos: the model was possibly "
            "trained on some of these videos",
            origin.part,
            len(videos),
            name,
            held_out.videos,
        )


def _read_baseline(name: str | None) -> dict[str, Any] | None:
    """Return the accuracies and the protocol in a file of results."""
    if name is None:
        return None
    try:
        baseline = json.loads(Path(name).read_text(encoding="utf-8"))
        return {field: baseline[field] for field in (*MEASURED, "protocol")}
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"`baseline_file` {name} is not a file of results that `evaluate` writes") from None
