"""Test a fine-tuned video classifier as the paper does, or what an encoder knows without fine-tuning."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from hf_selfdistill.commands.arguments import CommandParser, fit_workers, start_logging, user_errors
from hf_selfdistill.commands.classification import evaluate_classifier, read_baseline, refresh_card
from hf_selfdistill.commands.datasets import DatasetArguments, SamplingArguments
from hf_selfdistill.commands.feature_tasks import TASKS, FeatureArguments, evaluate_features
from hf_selfdistill.commands.forgetting import ForgettingArguments, evaluate_forgetting, write_report
from hf_selfdistill.commands.models import FROM_SCRATCH
from hf_selfdistill.commands.relearning import RelearningArguments, evaluate_relearning, in_words
from hf_selfdistill.commands.testing import TestArguments
from hf_selfdistill.evaluation.forgetting_table import quote
from hf_selfdistill.hub.feature_results import add_feature_results
from hf_selfdistill.training.accuracies import silent

__all__ = ["main"]

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/evaluate_model.py`."""
    parser = CommandParser(
        TestArguments,
        FeatureArguments,
        ForgettingArguments,
        DatasetArguments,
        SamplingArguments,
        RelearningArguments,
        description="Test a fine-tuned video classifier, or an encoder's features, on several clips per video.",
        defaults={"per_device_eval_batch_size": 4, "dataloader_pin_memory": torch.cuda.is_available()},
        most_used=(
            "per_device_eval_batch_size",
            "dataloader_num_workers",
            "bf16",
            "use_cpu",
            "disable_tqdm",
            "num_train_epochs",
            "learning_rate",
        ),
    )
    with user_errors():
        test, features, forgetting, data, sampling, args = parser.parse(argv)
        start_logging(args)
        fit_workers(args)
        file = _writable(test.output_file, test.task)
        args.output_dir = str(file.parent)  # the Trainer makes this folder
        _check_devices(args)
        baseline = read_baseline(test.baseline_file)
        _check_flags(test, features, forgetting)
        if test.task == "classification":
            results = evaluate_classifier(test, data, sampling, args)
        elif test.task == "forgetting":
            results = evaluate_forgetting(test, forgetting, data, sampling, args)
        elif test.task == "relearning":
            results = evaluate_relearning(test, forgetting, data, sampling, args)
        else:
            results = evaluate_features(test, features, data, sampling, args)
        if args.should_save:
            file.write_text(_as_json(results), encoding="utf-8")
            if test.task == "forgetting":
                write_report(results, file)
            if file.parent.resolve() == Path(test.model_name_or_path).resolve():
                _refresh_card(file.parent / "README.md", test, data, results, baseline)
        say = {"forgetting": quote, "relearning": in_words}.get(test.task, _in_words)
        logger.info(say(results))


def _refresh_card(
    card: Path, test: TestArguments, data: DatasetArguments, results: dict[str, Any], baseline: dict[str, Any] | None
) -> None:
    """Put the results into the card of the model that they are of."""
    if test.task == "classification":
        added = refresh_card(card, test, data, results, baseline)
    else:
        added = test.task in TASKS and add_feature_results(card, test.task, results)
    if added:
        logger.info("The results are in the model card too, %s", card)


def _check_flags(test: TestArguments, features: FeatureArguments, forgetting: ForgettingArguments) -> None:
    if test.task != "classification" and test.part == "train":
        raise ValueError(
            f"--part train, but --task {test.task} learns from the training videos; use --part test or validation"
        )
    two = test.task in ("forgetting", "relearning")
    if (two or test.task == "classification") and features != FeatureArguments():
        raise ValueError("--retrieval_protocol and --config_overrides go with --task retrieval, linear_probe, knn")
    if two and (forgetting.before is None or forgetting.before in FROM_SCRATCH):
        given = "is missing" if forgetting.before is None else f"{forgetting.before} is a net with random weights"
        raise ValueError(
            f"--before {given}: --task {test.task} compares with the encoder that fine-tuning began from; give its "
            "folder, or its name on the Hub"
        )
    if not two and forgetting.before is not None:
        raise ValueError(f"--before goes with --task forgetting or relearning; --task is {test.task}")


def _as_json(results: dict[str, Any]) -> str:
    """Indented, but a video, as any element of a list, in a line."""
    fields = ",\n  ".join(f"{json.dumps(name)}: {_indented(value)}" for name, value in results.items())
    return f"{{\n  {fields}\n}}\n"


def _indented(value: Any) -> str:
    if isinstance(value, list) and value:
        lines = ",\n    ".join(json.dumps(one, ensure_ascii=False) for one in value)
        return f"[\n    {lines}\n  ]"
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n  ")  # no text in JSON has a line's end


def _in_words(results: dict[str, Any]) -> str:
    of_unit: dict[str, list[str]] = {}
    unsaid = silent(results["num_classes"]) if "num_classes" in results else set()
    for name, value in results.items():
        if name in unsaid:
            continue
        unit, _, k = name.partition("_top")
        if k:
            of_unit.setdefault(unit.replace("_", " "), []).append(f"top-{k} {value:.4f}")
    figures = "; ".join(f"{unit} {', '.join(values)}" for unit, values in of_unit.items())
    return f"{results['protocol']}: {figures}; {results['num_videos']} videos"


def _check_devices(args: TrainingArguments) -> None:
    if args.n_gpu > 1:
        raise ValueError(
            f"one process sees {args.n_gpu} GPUs, between which a video's clips can't be split; start with "
            "`accelerate launch` for all of them, or set CUDA_VISIBLE_DEVICES=0 for one"
        )


def _writable(name: str, task: str) -> Path:
    file = Path(name)
    if task == "forgetting" and file.suffix != ".json":
        raise ValueError(
            f"--output_file {file}: a table and a figure of the same name go beside the results; give a name that "
            f"ends in .json, such as {file.with_suffix('.json')}"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_dir():
        raise ValueError(f"--output_file {file} is a folder; name a file in it, such as {file}/evaluation.json")
    return file
