"""The subcommand `finetune`."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import MOST_USED_TRAINING, CommandParser, as_flags, fit_workers, start_logging
from hf_selfdistill.runs.configs import FinetuneConfig
from hf_selfdistill.training.accuracies import describe_chance
from hf_selfdistill.training.kept import kept_rows
from hf_selfdistill.training.record import RunRecord

__all__ = ["main", "parser"]

logger = logging.getLogger(__name__)

DATA = ("dataset", "dataset_root", "annotations", "split", "validation_fraction", "max_unreadable", "use_cpu")
"""Flags that `evaluate` takes over."""


def main(argv: Sequence[str] | None = None) -> None:
    """Fine-tune a classifier."""
    own = parser()
    with user_errors(own.flags):
        (config,) = own.parse(argv)
        start_logging(config, own.flags)
        fit_workers(config)
        from hf_selfdistill.runs.finetune import finetune

        _say_what_is_next(config, finetune(config))


def _say_what_is_next(config: FinetuneConfig, record: RunRecord) -> None:
    """Log the validation accuracy, what was kept of the encoder, and the command that tests the model."""
    if "eval_video_top1" in record.metrics:
        chance = describe_chance(len(record.model["classes"]))
        top1, videos = 100 * record.metrics["eval_video_top1"], record.metrics["eval_num_videos"]
        logger.info("Validation: video top-1 %.1f %% of %d videos; %s", top1, videos, chance)
    if kept := kept_rows(record.metrics):
        logger.info("The encoder: %s", "; ".join(f"{name} {value}" for name, value in kept.items()))
    values = {name: value for name, value in config.to_dict().items() if name in DATA}
    part = {} if "test" in record.inputs else {"part": "validation"}
    flags = as_flags({"model_name_or_path": config.output_dir, **values, **part})
    logger.info("Next, test it: hf-selfdistill evaluate %s", shlex.join(flags))


def parser() -> CommandParser:
    """Return the parser of the flags."""
    return CommandParser(
        FinetuneConfig,
        description="Fine-tune a video classifier with self-distillation (Zhou et al., arXiv 2205.00506).",
        most_used=MOST_USED_TRAINING,
    )
