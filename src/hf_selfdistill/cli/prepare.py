"""The subcommand `prepare`."""

from __future__ import annotations

from collections.abc import Sequence

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import CommandParser, fit_workers, start_logging

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Check and prepare a data set."""
    from hf_selfdistill.runs.prepare import PrepareConfig, prepare

    parser = CommandParser(
        PrepareConfig, description="Check all videos of a folder, and copy them in a form that is fast to read."
    )
    with user_errors(parser.flags):
        (config,) = parser.parse(argv)
        start_logging(flags=parser.flags)
        fit_workers(config, "num_workers")
        prepare(config)
