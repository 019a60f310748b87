"""Fine-tune in many settings, compare accuracy and what was kept."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Optional

from hf_selfdistill.commands import finetune
from hf_selfdistill.commands.arguments import (
    CommandParser,
    as_flags,
    exactly,
    expanded,
    flags_among,
    start_logging,
    user_errors,
)
from hf_selfdistill.commands.best_epochs import best_folder, check_keep_best
from hf_selfdistill.commands.comparison import Place, Tested, write_comparison
from hf_selfdistill.commands.job import Job
from hf_selfdistill.commands.models import FROM_SCRATCH
from hf_selfdistill.commands.retention import ReferenceArguments
from hf_selfdistill.commands.run_queue import run_jobs
from hf_selfdistill.commands.testing import FORGETTING, RESULTS, flags_of_data, flags_of_device
from hf_selfdistill.evaluation.comparison import Setting
from hf_selfdistill.regularizers.arguments import REGULARIZERS
from hf_selfdistill.regularizers.wise_ft import AVERAGES
from hf_selfdistill.training.arguments import check_choice

__all__ = ["AblationArguments", "main"]

logger = logging.getLogger(__name__)

REFERENCE_CLIPS = 4  # per video of the reference set

GRID = {
    "distill_weight": "distill_weights",
    "regularizer": "regularizers",
    "label_fraction": "label_fractions",
    "split": "splits",
    "seed": "seeds",
}
"""Flags that are set for each run → those that they come from."""


@dataclass
class AblationArguments:
    """Ablation; every other flag is finetune.py's, the same for all runs."""

    output_dir: str = field(metadata={"help": "A folder per run, the table, the figures, results.csv."})
    distill_weights: list[float] = field(
        default_factory=lambda: [0.0, 0.1, 1.0, 10.0, 100.0, 1000.0],
        metadata={"help": "λ of self-distillation; 0 is plain fine-tuning."},
    )
    regularizers: list[str] = field(
        default_factory=lambda: ["self_distillation"],
        metadata={"help": f"Which to compare, of {', '.join(REGULARIZERS)}; only the first has several λ."},
    )
    learning_rates: Optional[list[float]] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "By default the recipe's."}
    )
    label_fractions: list[float] = field(
        default_factory=lambda: [1.0], metadata={"help": "Shares of each class's training videos."}
    )
    splits: list[int] = field(default_factory=lambda: [1], metadata={"help": "Official splits of the data set."})
    seeds: list[int] = field(default_factory=lambda: [0], metadata={"help": "Seeds of the runs."})
    num_clips: int = field(default=10, metadata={"help": "Test clips per video."})
    devices: list[str] = field(
        default_factory=lambda: ["0"],
        metadata={"help": "GPUs, for CUDA_VISIBLE_DEVICES: one run at a time on each. Without GPUs, as many names."},
    )

    def __post_init__(self) -> None:
        """Check names and that nothing is empty."""
        for name in self.regularizers:
            check_choice("regularizers", name, REGULARIZERS)
        for name, values in vars(self).items():
            if isinstance(values, list) and not values:
                raise ValueError(f"--{name} has no value")


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
    model, data, _, augmentation, regularizer, retention, training = finetune.parser().parse(
        [*recipe, "--output_dir", args.output_dir]
    )
    if reference.reference_dataset is not None and model.model_name_or_path in FROM_SCRATCH:
        raise ValueError(f"--reference_dataset: {model.model_name_or_path} has random weights, with nothing to retain")
    if retention.retention_epochs is not None:  # asked for in the recipe: while training too
        recipe = [*recipe, *as_flags(vars(reference))]
    shared = flags_of_data(data) | flags_of_device(training) | {"disable_tqdm": True}
    for split in args.splits:  # what is wrong with it is said once, before any run
        check_keep_best(
            augmentation.keep_best,
            training.eval_strategy,
            len(replace(data, split=split).load()["validation"]),
            adapters=model.lora_rank is not None,
            averaged="wise_ft" in args.regularizers,
        )
    if reference.reference_dataset is not None:
        reference.data().load()
    models_of = partial(_models, args, regularizer.wise_ft_weights, augmentation.keep_best)
    jobs = {}
    for place in _places(args, training.learning_rate):
        tests = _tests(args, reference, model.model_name_or_path, shared, place, list(models_of(place).values()))
        jobs[place] = Job(_folder(args, place), (_finetuning(args, recipe, place), *tests))
    logger.info("%d runs in %s", len(jobs), Path(args.output_dir).resolve())
    run_jobs(list(jobs.values()), args.devices)
    tested = {
        which: Tested(folder, job.folder)
        for place, job in jobs.items()
        if job.is_finished
        for which, folder in models_of(place).items()
    }
    if tested:
        write_comparison(Path(args.output_dir), tested, data)
    failed = [job.folder.name for job in jobs.values() if job.failure]
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(jobs)} runs failed: {', '.join(failed)}; the same command tries again"
        )


def _refuse_flags_of_runs(words: Sequence[str]) -> None:
    if own := flags_among(words, GRID):
        flag = own[0].split("=")[0]
        raise ValueError(f"{flag} is set for each run by itself; give --{GRID[flag.removeprefix('--')]}")


def _places(args: AblationArguments, rate: float) -> list[Place]:
    """Setting, split and seed of every run; seeds outermost, so that early results compare all settings."""
    methods = [
        (name, weight)
        for name in args.regularizers
        for weight in (args.distill_weights if name == "self_distillation" else [0.0])
    ]
    settings = [
        Setting(fraction, rate, name, weight)
        for fraction, rate, (name, weight) in product(args.label_fractions, args.learning_rates or [rate], methods)
    ]
    return [Place(setting, split, seed) for seed, split, setting in product(args.seeds, args.splits, settings)]


def _folder(args: AblationArguments, place: Place) -> Path:
    setting = place.setting
    numbers = (setting.distill_weight, setting.learning_rate, setting.label_fraction)
    weight, rate, fraction = map(exactly, numbers)
    name = f"{setting.regularizer}-w{weight}-lr{rate}-l{fraction}"
    return Path(args.output_dir) / "runs" / f"{name}-s{place.split}-r{place.seed}"


def _models(
    args: AblationArguments, averages: Sequence[float], best: Sequence[str], place: Place
) -> dict[Place, Path]:
    """The models that a run leaves behind: of its last and its best epochs, or WiSE-FT's averages."""
    folder, setting = _folder(args, place), place.setting
    if setting.regularizer == "wise_ft":
        found = {replace(setting, share=share): folder / AVERAGES / f"{share:g}" for share in averages}
    else:
        found = {setting: folder, **{replace(setting, epoch=part): best_folder(str(folder), part) for part in best}}
    return {place._replace(setting=own): where for own, where in found.items()}


def _finetuning(args: AblationArguments, recipe: list[str], place: Place) -> tuple[str, ...]:
    flags = {name: value for name, value in vars(place.setting).items() if name not in ("share", "epoch")}
    own = {**flags, "split": place.split, "seed": place.seed, "output_dir": _folder(args, place), "disable_tqdm": True}
    return ("finetune", *recipe, *as_flags(own))


def _tests(
    args: AblationArguments,
    reference: ReferenceArguments,
    before: str,
    shared: dict[str, Any],
    place: Place,
    folders: Sequence[Path],
) -> list[tuple[str, ...]]:
    """A test of each model, and of what it forgot where there is a reference set."""
    accuracy = {**shared, "num_clips": args.num_clips, "split": place.split}
    tests = [{**accuracy, "model_name_or_path": folder, "output_file": folder / RESULTS} for folder in folders]
    if reference.reference_dataset is not None:
        known = {name: getattr(reference.data(), name) for name in ("dataset", "dataset_root", "annotations", "split")}
        kept = {**shared, "task": "forgetting", "before": before, **known, "num_clips": REFERENCE_CLIPS}
        tests += [{**kept, "model_name_or_path": folder, "output_file": folder / FORGETTING} for folder in folders]
    return [("evaluate", *as_flags(test)) for test in tests]
