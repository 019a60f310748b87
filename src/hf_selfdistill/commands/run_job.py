"""One job of a queue: `python -m hf_selfdistill.commands.run_job commands.json`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from filelock import FileLock

from hf_selfdistill.commands.console import main
from hf_selfdistill.commands.job import WORKING, note_done


def run_job(file: str) -> None:
    """Run the subcommands that the file lists, one after the other, in one process: importing takes seconds."""
    attempt = Path(file)
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    with FileLock(attempt.with_name(WORKING)) if first else nullcontext():
        for number, words in enumerate(json.loads(attempt.read_text(encoding="utf-8"))["commands"]):
            if number and first:
                note_done(attempt, number)
            main(words)


if __name__ == "__main__":
    run_job(sys.argv[1])
