"""The subcommand `report`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import CommandParser, start_logging

__all__ = ["ReportArguments", "main"]

logger = logging.getLogger(__name__)


@dataclass
class ReportArguments:
    """Report."""

    run: str = field(metadata={"help": "Output folder of a fine-tuning."})
    saliency: list[str] = field(
        default_factory=list, metadata={"help": "Further image files (PNG, GIF) to show among the saliency pictures."}
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report of a run."""
    parser = CommandParser(ReportArguments, description="Write OUT/report.html, a page that needs no other file.")
    with user_errors(parser.flags):
        (args,) = parser.parse(argv)
        start_logging(flags=parser.flags)
        from hf_selfdistill.reporting.report import write_report

        logger.info("The report is %s", write_report(Path(args.run), args.saliency).resolve())
