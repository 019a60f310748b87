"""Test a fine-tuned video classifier as the paper does, or what an encoder knows."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Optional

import torch
from transformers import Trainer, TrainingArguments

from hf_selfdistill.commands.arguments import CommandParser, start_logging, user_errors
from hf_selfdistill.commands.datasets import DatasetArguments, SamplingArguments, sampling_rate, testing_clips
from hf_selfdistill.commands.feature_tasks import FEATURE_TASKS, evaluate_features, load_feature_model
from hf_selfdistill.commands.models import frames_per_clip, load_for_inference, refuse_overrides
from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.data.clips import collate_clips
from hf_selfdistill.evaluation.multi_clip import MultiClipAccuracy, rows_of_videos

__all__ = ["TestArguments", "evaluate_model", "main"]

logger = logging.getLogger(__name__)


@dataclass
class TestArguments:
    """Test."""

    __test__ = False  # no test for pytest to collect

    model_name_or_path: str = field(
        metadata={"help": "A fine-tuned model, or for the other tasks an encoder: a folder, or a name on the Hub."}
    )
    task: Literal["classification", "retrieval", "linear_probe", "knn"] = field(
        default="classification", metadata={"help": "classification, or what the frozen features tell:"}
    )
    retrieval_protocol: Literal["rspnet", "vcop"] = field(
        default="rspnet", metadata={"help": "Whose clips and pooling, with --task retrieval."}
    )
    config_overrides: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None,
        metadata={"help": "With --model_name_or_path c3d or r2plus1d, random weights to compare with: image_size=48."},
    )
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video; 1 is the centre."})
    part: Literal["test", "validation", "train"] = field(default="test", metadata={"help": "Part of the data set."})
    output_file: str = field(default="evaluation.json", metadata={"help": "Where the results go."})


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/evaluate_model.py`."""
    parser = CommandParser(
        TestArguments,
        DatasetArguments,
        SamplingArguments,
        TrainingArguments,
        description="Test a fine-tuned video classifier: several clips per video, logits averaged.",
        defaults={"per_device_eval_batch_size": 4, "dataloader_pin_memory": torch.cuda.is_available()},
        most_used=("per_device_eval_batch_size", "dataloader_num_workers", "bf16", "use_cpu", "disable_tqdm"),
    )
    with user_errors():
        test, data, sampling, args = parser.parse(argv)
        start_logging(args)
        file = _writable(test.output_file)
        features = test.task in FEATURE_TASKS
        results = (_test_features if features else evaluate_model)(test, data, sampling, args)
        if args.should_save:
            file.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        figures = ", ".join(f"{name} {value:.4f}" for name, value in results.items() if isinstance(value, float))
        logger.info("%s: %s; %d videos", results["protocol"], figures, results["num_videos"])


def _test_features(
    test: TestArguments, data: DatasetArguments, sampling: SamplingArguments, args: TrainingArguments
) -> dict[str, Any]:
    if test.part != "test":
        raise ValueError(f"--part {test.part} goes with --task classification; {test.task} tests the test part")
    model, processor = load_feature_model(test.model_name_or_path, test.config_overrides, args.seed)
    return evaluate_features(
        test.task, model, processor, data, sampling, args, test.num_clips, test.retrieval_protocol
    )


def _writable(name: str) -> Path:
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_dir():
        raise ValueError(f"--output_file {file} is a folder; name a file in it, such as {file}/evaluation.json")
    return file


def evaluate_model(
    test: TestArguments, data: DatasetArguments, sampling: SamplingArguments, args: TrainingArguments
) -> dict[str, Any]:
    """Accuracies, the protocol, and the videos that could not be read.

    Raises:
        ValueError: the data set and the model do not fit, or too many videos can't be read.
        OSError: there is no such model.
    """
    refuse_overrides(test.model_name_or_path, test.config_overrides)
    if args.n_gpu > 1:
        raise ValueError(
            f"one process sees {args.n_gpu} GPUs, between which a video's clips can't be split; start with "
            "`accelerate launch` for all of them, or set CUDA_VISIBLE_DEVICES=0 for one"
        )
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
        **{name: results[name] for name in ("video_top1", "video_top5", "clip_top1", "clip_top5", "num_videos")},
        "protocol": protocol(test, data, frames_per_clip(model.config), *sampling_rate(processor, sampling)),
        "per_class": accuracy.per_class(prediction),
        "failed": failed,
    }


def protocol(test: TestArguments, data: DatasetArguments, frames: int, stride: int, fps: float | None) -> str:
    """In words, what a figure was measured on."""
    rate = f"stride {stride}" if fps is None else f"stride {stride} at {fps:g} fps"
    where = f"{data.dataset} split {data.split} {test.part}"
    return f"{where}, {test.num_clips} clips of {frames} frames, {rate}, centre crop, mean of logits"
