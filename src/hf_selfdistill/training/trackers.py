"""Experiment trackers: a check that they are installed, and equal metric names in all of them."""

from __future__ import annotations

from typing import Any

from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import MLflowCallback, get_available_reporting_integrations
from transformers.integrations.integration_utils import rewrite_logs

__all__ = ["AlikeMLflowCallback", "check_trackers"]


class AlikeMLflowCallback(MLflowCallback):
    """MLflow callback with the names `train/…` and `eval/…` that transformers uses in the other trackers."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **kwargs: Any,
    ) -> None:
        """Log with these names."""
        super().on_log(args, state, control, rewrite_logs(logs), **kwargs)


def check_trackers(args: TrainingArguments) -> None:
    """Refuse a tracker whose package is not installed.

    Raises:
        ValueError: a package is missing; the message names it.
    """
    missing = set(args.report_to) - set(get_available_reporting_integrations())
    if missing:
        raise ValueError(f"`report_to` {' '.join(sorted(missing))} is not installed; install that package, or omit it")
