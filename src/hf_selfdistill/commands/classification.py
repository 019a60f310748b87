"""Test a fine-tuned classifier on several clips per video, as the paper does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import Trainer

from hf_selfdistill.commands.cards import protocol
from hf_selfdistill.commands.datasets import sampling_rate, testing_clips
from hf_selfdistill.commands.held_out import warn_of_seen_videos
from hf_selfdistill.commands.testing import Evaluation
from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.data.clips import collate_clips, video_name
from hf_selfdistill.hub.results import Result, add_results
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.models.loading import load_for_inference
from hf_selfdistill.training.accuracies import MEASURED
from hf_selfdistill.training.multi_clip import MultiClipAccuracy, rows_of_videos

__all__ = ["evaluate_classifier", "read_baseline", "refresh_card"]


def evaluate_classifier(evaluation: Evaluation) -> dict[str, Any]:
    """Accuracies, the protocol, and the videos that could not be read.

    Raises:
        ValueError: the data set and the model do not fit, or too many videos can't be read.
        OSError: there is no such model.
    """
    test, _, _, data, sampling, args = evaluation
    args.dataloader_drop_last = False  # recipes set it, for training
    with args.main_process_first(desc="loading the data set"):
        records = data.load()[test.part]
    labels = records.features["label"].names
    model, processor = load_for_inference(test.model_name_or_path)
    known = [model.config.id2label[index] for index in range(model.config.num_labels)]
    if known != labels:
        raise ValueError(
            f"{test.model_name_or_path} knows the classes {', '.join(known[:5])} … ({len(known)}), the data set has "
            f"{', '.join(labels[:5])} … ({len(labels)}); test a model on the classes that it was fine-tuned on"
        )
    if len(records) == 0:
        raise ValueError(f"the {test.part} part of {data.dataset} is empty")
    warn_of_seen_videos(Path(test.model_name_or_path) / "README.md", data, test.part, records)
    clips = testing_clips(records, model, processor, sampling, test.num_clips)
    unreadable = UnreadableVideosCallback(clips, most=data.max_unreadable)
    accuracy = MultiClipAccuracy(labels)
    trainer = Trainer(
        model,
        args,
        data_collator=collate_clips,
        compute_metrics=accuracy,
        preprocess_logits_for_metrics=rows_of_videos,
    )
    prediction = trainer.predict(clips, metric_key_prefix="")
    unreadable.check()
    failed = unreadable.failures()
    results = {name.removeprefix("_"): value for name, value in prediction.metrics.items()}
    trainer.end()
    return {
        **{name: results[name] for name in MEASURED},
        "num_classes": len(labels),
        "protocol": protocol(
            data, test.part, test.num_clips, frames_per_clip(model.config), *sampling_rate(processor, sampling)
        ),
        "per_class": accuracy.per_class(prediction),
        "predictions": [
            {"video": video_name(records, place), "label": label, "predicted": predicted, "score": round(score, 4)}
            for place, label, predicted, score in accuracy.predictions(prediction)
        ],
        "failed": failed,
    }


def read_baseline(name: str | None) -> dict[str, Any] | None:
    """Accuracies and protocol of another test.

    Raises:
        ValueError: the file is of another kind.
    """
    if name is None:
        return None
    try:
        baseline = json.loads(Path(name).read_text(encoding="utf-8"))
        return {field: baseline[field] for field in (*MEASURED, "protocol")}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"--baseline_file {name} is no file of results that this command writes") from None


def refresh_card(card: Path, evaluation: Evaluation, results: dict[str, Any], baseline: dict[str, Any] | None) -> bool:
    """Write results into a model card, and below them those of the model with λ = 0.

    Returns:
        Whether there is a card with a place for them.
    """
    classes, dataset, part = results["num_classes"], evaluation.data.dataset, evaluation.test.part
    measured = [Result(dataset, part, results["protocol"], results, classes)]
    if baseline is not None:
        other = "the same with λ = 0"
        measured.append(Result(dataset, part, baseline["protocol"], baseline, classes, other))
    return add_results(card, measured)
