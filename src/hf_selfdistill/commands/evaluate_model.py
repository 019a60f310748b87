"""Test a fine-tuned video classifier as the paper does, or what an encoder knows without fine-tuning."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import torch

from hf_selfdistill.cli.parser import CommandParser, fit_workers, start_logging, user_errors
from hf_selfdistill.commands.classification import evaluate_classifier, read_baseline, refresh_card
from hf_selfdistill.commands.feature_tasks import evaluate_features
from hf_selfdistill.commands.forgetting import evaluate_forgetting, write_report
from hf_selfdistill.commands.relearning import evaluate_relearning, relearning_in_words
from hf_selfdistill.commands.testing import FEATURE_TASKS, Evaluation
from hf_selfdistill.hub.feature_results import add_feature_results
from hf_selfdistill.reporting.forgetting_table import quote
from hf_selfdistill.training.accuracies import silent

__all__ = ["main"]

logger = logging.getLogger(__name__)


class Task(NamedTuple):
    """What is measured, and how that is said in a line."""

    measure: Callable[[Evaluation], dict[str, Any]]
    say: Callable[[dict[str, Any]], str]


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/evaluate_model.py`."""
    with user_errors():
        evaluation = Evaluation(*_parser().parse(argv))
        test, args = evaluation.test, evaluation.training
        start_logging(args)
        fit_workers(args)
        file = _writable(test.output_file, test.task)
        args.output_dir = args.output_dir or str(file.parent)  # the Trainer makes this folder
        baseline = read_baseline(test.baseline_file)
        evaluation.check()
        task = TASKS[test.task]
        results = task.measure(evaluation)
        if args.should_save:
            file.write_text(_as_json(results), encoding="utf-8")
            if test.task == "forgetting":
                write_report(results, file)
            if file.parent.resolve() == Path(test.model_name_or_path).resolve():
                _refresh_card(file.parent / "README.md", evaluation, results, baseline)
        logger.info(task.say(results))


def _parser() -> CommandParser:
    return CommandParser(
        *get_type_hints(Evaluation).values(),
        description="Test a fine-tuned video classifier, or an encoder's features, on several clips per video.",
        defaults={
            "output_dir": "",
            "per_device_eval_batch_size": 4,
            "dataloader_pin_memory": torch.cuda.is_available(),
        },
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


def _refresh_card(
    card: Path, evaluation: Evaluation, results: dict[str, Any], baseline: dict[str, Any] | None
) -> None:
    """Put the results into the card of the model that they are of."""
    task = evaluation.test.task
    if task == "classification":
        added = refresh_card(card, evaluation, results, baseline)
    else:
        added = task in FEATURE_TASKS and add_feature_results(card, task, results)
    if added:
        logger.info("The results are in the model card too, %s", card)


def _as_json(results: dict[str, Any]) -> str:
    """Indented, but a video, as any element of a list, in a line."""
    fields = ",\n  ".join(f"{json.dumps(name)}: {_indented(value)}" for name, value in results.items())
    return f"{{\n  {fields}\n}}\n"


def _indented(value: Any) -> str:
    if isinstance(value, list) and value:
        lines = ",\n    ".join(json.dumps(one, ensure_ascii=False) for one in value)
        return f"[\n    {lines}\n  ]"
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n  ")  # no text in JSON has a line's end


def _accuracies_in_words(results: dict[str, Any]) -> str:
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


TASKS = {
    "classification": Task(evaluate_classifier, _accuracies_in_words),
    **dict.fromkeys(FEATURE_TASKS, Task(evaluate_features, _accuracies_in_words)),
    "forgetting": Task(evaluate_forgetting, quote),
    "relearning": Task(evaluate_relearning, relearning_in_words),
}
