"""One job of a queue: `python -m hf_selfdistill.commands.run_job commands.json`."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path

from filelock import FileLock

from hf_selfdistill.cli.console import main
from hf_selfdistill.commands.job import WORKING
from hf_selfdistill.commands.job_record import note_done, read


def run_job(file: str) -> None:
    """Run the subcommands that the file lists, one after the other, in one process: importing takes seconds."""
    attempt = Path(file)
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    with FileLock(attempt.with_name(WORKING)) if first else nullcontext():
        for command in read(attempt)["commands"]:
            try:
                main(command["words"])
            except SystemExit as ended:
                if ended.code:
                    raise
            if first:
                note_done(attempt)


if __name__ == "__main__":
    run_job(sys.argv[1])
