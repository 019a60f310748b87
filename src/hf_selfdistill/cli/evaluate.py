"""The subcommand `evaluate`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import Any

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import MOST_USED_EVALUATION, CommandParser, config_flags, fit_workers, start_logging
from hf_selfdistill.runs.configs import EvaluateConfig, ForgettingConfig
from hf_selfdistill.training.accuracies import silent

__all__ = ["main", "parser"]

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Test a model as the flags ask for it."""
    argv = list(sys.argv[1:] if argv is None else argv)
    own = parser(argv)
    with user_errors(own.flags):
        (config,) = own.parse(argv)
        start_logging(config)
        fit_workers(config)
        config.output_file = config.output_file or "evaluation.json"
        logger.info("%s", _measure(config))
        logger.info("The results are in %s", config.output_file)


def parser(argv: Sequence[str]) -> CommandParser:
    """Return the parser of the flags of the task that `argv` names."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--task", nargs="?")  # the whole parser says what is wrong with it
    try:
        task = first.parse_known_args([*config_flags(argv), *argv])[0].task
    except ValueError:  # the whole parser says what is wrong with the file
        task = None
    return CommandParser(
        ForgettingConfig if task in ("forgetting", "relearning") else EvaluateConfig,
        description="Test a fine-tuned video classifier, or an encoder's features, on several clips per video.",
        most_used=MOST_USED_EVALUATION,
    )


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
            of_unit.setdefault(unit.replace("_", " "), []).append(f"top-{k} {value:.4f}")
    accuracies = "; ".join(f"{unit} {', '.join(found)}" for unit, found in of_unit.items())
    return f"{values['protocol']}: {accuracies}; {values['num_videos']} videos"
