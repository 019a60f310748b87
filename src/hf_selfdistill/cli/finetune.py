"""The subcommand `finetune`."""

from __future__ import annotations

from collections.abc import Sequence

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import MOST_USED_TRAINING, CommandParser, fit_workers, start_logging
from hf_selfdistill.runs.configs import FinetuneConfig

__all__ = ["main", "parser"]


def main(argv: Sequence[str] | None = None) -> None:
    """Fine-tune a classifier."""
    own = parser()
    with user_errors(own.flags):
        (config,) = own.parse(argv)
        start_logging(config, own.flags)
        fit_workers(config)
        from hf_selfdistill.runs.finetune import finetune

        finetune(config)


def parser() -> CommandParser:
    """Return the parser of the flags."""
    return CommandParser(
        FinetuneConfig,
        description="Fine-tune a video classifier with self-distillation (Zhou et al., arXiv 2205.00506).",
        most_used=MOST_USED_TRAINING,
    )
