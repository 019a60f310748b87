"""Experiment trackers: they are there, and a figure has the same name in all of them."""

from __future__ import annotations

from typing import Any

from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import MLflowCallback, get_available_reporting_integrations
from transformers.integrations.integration_utils import rewrite_logs

__all__ = ["AlikeMLflowCallback", "check_trackers", "name_alike"]


class AlikeMLflowCallback(MLflowCallback):
    """MLflow, given `train/…` and `eval/…`, the names that transformers makes for the other trackers."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **kwargs: Any,
    ) -> None:
        """Send what is logged under those names."""
        super().on_log(args, state, control, rewrite_logs(logs), **kwargs)


def check_trackers(args: TrainingArguments) -> None:
    """Refuse a `--report_to` whose package is not installed.

    Raises:
        ValueError: it names the package.
    """
    missing = set(args.report_to) - set(get_available_reporting_integrations())
    if missing:
        raise ValueError(f"--report_to {' '.join(sorted(missing))}: install that package, or leave the flag out")


def name_alike(trainer: Trainer) -> None:
    """Have MLflow, if it is among the trackers, show the names of the others."""
    if trainer.pop_callback(MLflowCallback) is not None:
        trainer.add_callback(AlikeMLflowCallback)
