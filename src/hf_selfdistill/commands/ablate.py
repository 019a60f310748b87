"""Fine-tune in many settings, compare accuracy and what was kept."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from hf_selfdistill.cli.parser import CommandParser, expanded, flags_among, start_logging, user_errors
from hf_selfdistill.commands import finetune
from hf_selfdistill.commands.ablation import GRID, Ablation, AblationArguments
from hf_selfdistill.commands.comparison import Tested, write_comparison
from hf_selfdistill.commands.retention import ReferenceArguments
from hf_selfdistill.commands.run_queue import run_jobs

__all__ = ["main"]

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/ablate.py`."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = CommandParser(
        AblationArguments,
        ReferenceArguments,
        description="Fine-tune in many settings and compare: λ, learning rate, labels, regularizers, splits, seeds.",
    )
    with user_errors():
        args, reference, recipe = parser.parse_some(words)
        start_logging()
        run(args, reference, recipe)


def run(args: AblationArguments, reference: ReferenceArguments, recipe: list[str]) -> None:
    """Check all runs, do what is not done, write what there is.

    Raises:
        ValueError: an argument is wrong; some runs failed, which the message names.
    """
    _refuse_flags_of_runs(recipe)
    recipe = expanded(recipe)  # a file that is edited between two calls is another recipe
    asked = finetune.parse([*recipe, "--output_dir", args.output_dir])
    if reference.reference_dataset is None:  # the recipe may name one
        given = {name: getattr(asked.retention, name) for name in vars(reference)}
        reference = ReferenceArguments(**given)
    ablation = Ablation(args, reference, recipe, asked)
    ablation.check()
    jobs = {place: ablation.job(place) for place in ablation.places()}
    logger.info("%d runs in %s", len(jobs), Path(args.output_dir).resolve())
    run_jobs(list(jobs.values()), args.devices)
    tested = {
        which: Tested(folder, job.folder)
        for place, job in jobs.items()
        if job.is_finished
        for which, folder in ablation.models(place).items()
    }
    if tested:
        write_comparison(Path(args.output_dir), tested, asked.data.dataset)
    failed = [job.folder.name for job in jobs.values() if job.failure]
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(jobs)} runs failed: {', '.join(failed)}; the same command tries again"
        )


def _refuse_flags_of_runs(words: Sequence[str]) -> None:
    if own := flags_among(words, GRID):
        flag = own[0].split("=")[0]
        raise ValueError(f"{flag} is set for each run by itself; give --{GRID[flag.removeprefix('--')]}")
