"""The subcommand `evaluate`."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import MOST_USED_EVALUATION, CommandParser, config_flags, fit_workers, start_logging
from hf_selfdistill.runs.configs import EvaluateConfig, ForgettingConfig
from hf_selfdistill.training.accuracies import describe_chance, only_prediction, silent
from hf_selfdistill.training.record import RECORD

__all__ = ["main", "parser"]

logger = logging.getLogger(__name__)

TASKS: dict[Any, tuple[str, ...]] = {
    EvaluateConfig: ("classification", "retrieval", "linear_probe", "knn"),
    ForgettingConfig: ("forgetting", "relearning"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate a model."""
    argv = list(sys.argv[1:] if argv is None else argv)
    own = parser(argv)
    with user_errors(own.flags):
        (config,) = own.parse(argv)
        start_logging(config, own.flags)
        fit_workers(config)
        logger.info("%s", _measure(config))
        logger.info("The results are in %s", config.output_file)
        if config.task == "classification" and (Path(config.model_name_or_path) / RECORD).is_file():
            command = shlex.join(["hf-selfdistill", "report", "--run", config.model_name_or_path])
            logger.info("Next, write a page about the model: %s", command)


def parser(argv: Sequence[str]) -> CommandParser:
    """Return the parser of the task named in `argv`; exit if `argv` has flags of other tasks."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--task", nargs="?")  # the full parser reports a wrong value
    given = list(argv)
    with suppress(ValueError):  # the full parser reports a wrong file
        given = [*config_flags(argv), *argv]
    task = first.parse_known_args(given)[0].task
    kind, other = (ForgettingConfig, EvaluateConfig) if task in TASKS[ForgettingConfig] else tuple(TASKS)
    own = CommandParser(
        kind,
        description="Test a fine-tuned video classifier, or an encoder's features, on several clips per video.",
        most_used=MOST_USED_EVALUATION,
    )
    own.set_defaults(output_file="evaluation.json")
    for name in sorted({field.name for field in dataclasses.fields(other)} - own.flags):
        if any(word.partition("=")[0] == f"--{name}" for word in given):
            own.error(f"--{name} goes with --task {', '.join(TASKS[other])}, not with {task or 'classification'}")
    return own


def _measure(config: EvaluateConfig | ForgettingConfig) -> str:
    """Measure, and describe the results in one line."""
    if isinstance(config, EvaluateConfig):
        from hf_selfdistill.runs.evaluate import evaluate

        return describe_accuracies(evaluate(config).values)
    from hf_selfdistill.runs.forgetting import measure_forgetting

    values = measure_forgetting(config).values
    if config.task == "relearning":
        from hf_selfdistill.runs.relearning import describe_relearning

        return describe_relearning(values)
    from hf_selfdistill.reporting.forgetting_table import quote

    return quote(values)


def describe_accuracies(values: dict[str, Any]) -> str:
    """Describe accuracies, without those that are always 1."""
    of_unit: dict[str, list[str]] = {}
    unsaid = silent(values["num_classes"]) if "num_classes" in values else set()
    for name, value in values.items():
        unit, _, k = name.partition("_top")
        if k and name not in unsaid:
            of_unit.setdefault(unit.replace("_", " "), []).append(f"top-{k} {100 * value:.1f} %")
    accuracies = "; ".join(f"{unit} {', '.join(found)}" for unit, found in of_unit.items())
    chance = [describe_chance(values["num_classes"])] if "num_classes" in values else []
    parts = [accuracies, *chance, only_prediction(values), f"{values['num_videos']} videos"]
    return f"{values['protocol']}: {'; '.join(part for part in parts if part)}"
