"""Fine-tune in many settings, compare accuracy and what was kept."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Optional

from hf_selfdistill.commands import finetune
from hf_selfdistill.commands.arguments import CommandParser, as_flags, start_logging, user_errors
from hf_selfdistill.commands.comparison import Place, write_comparison
from hf_selfdistill.commands.job import Job
from hf_selfdistill.commands.models import FROM_SCRATCH
from hf_selfdistill.commands.retention import ReferenceArguments
from hf_selfdistill.commands.run_queue import run_jobs
from hf_selfdistill.commands.testing import RESULTS, flags_of_data, flags_of_device
from hf_selfdistill.evaluation.comparison import Setting
from hf_selfdistill.regularizers.arguments import REGULARIZERS
from hf_selfdistill.training.arguments import check_choice

__all__ = ["AblationArguments", "main"]

logger = logging.getLogger(__name__)

REFERENCE_CLIPS = 4  # per video of the reference set


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
    splits: list[int] = field(default_factory=lambda: [1], metadata={"help": "Of the data set."})
    seeds: list[int] = field(default_factory=lambda: [0], metadata={"help": "Of the runs."})
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
    model, data, *_, retention, training = finetune.parser().parse([*recipe, "--output_dir", args.output_dir])
    if reference.reference_dataset is not None and model.model_name_or_path in FROM_SCRATCH:
        raise ValueError(f"--reference_dataset: {model.model_name_or_path} has random weights, with nothing to retain")
    if retention.retention_epochs is not None:  # asked for in the recipe: while training too
        recipe = [*recipe, *as_flags(vars(reference))]
    shared = flags_of_data(data) | flags_of_device(training) | {"disable_tqdm": True}
    jobs = {
        place: Job(_folder(args, place), _commands(args, reference, recipe, model.model_name_or_path, shared, place))
        for place in _places(args, training.learning_rate)
    }
    logger.info("%d runs in %s", len(jobs), Path(args.output_dir).resolve())
    run_jobs(list(jobs.values()), args.devices)
    folders = {place: job.folder for place, job in jobs.items() if job.is_finished}
    if folders:
        write_comparison(Path(args.output_dir), folders, data)
    failed = [job.folder.name for job in jobs.values() if job.failure]
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(jobs)} runs failed: {', '.join(failed)}; the same command tries again"
        )


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
    name = f"{setting.regularizer}-w{setting.distill_weight:g}-lr{setting.learning_rate:g}-l{setting.label_fraction:g}"
    return Path(args.output_dir) / "runs" / f"{name}-s{place.split}-r{place.seed}"


def _commands(
    args: AblationArguments,
    reference: ReferenceArguments,
    recipe: list[str],
    model: str,
    shared: dict[str, Any],
    place: Place,
) -> tuple[tuple[str, ...], ...]:
    """Fine-tuning, the test, and what was forgotten where there is a reference set."""
    folder = _folder(args, place)
    own = {**vars(place.setting), "split": place.split, "seed": place.seed, "output_dir": folder, "disable_tqdm": True}
    test = {**shared, "model_name_or_path": folder}
    clips = {"num_clips": args.num_clips, "split": place.split, "output_file": folder / RESULTS}
    commands = [("finetune", *recipe, *as_flags(own)), ("evaluate", *as_flags(test | clips))]
    if reference.reference_dataset is not None:
        data = reference.data()
        forgetting = {
            "task": "forgetting",
            "before": model,
            "dataset": data.dataset,
            "dataset_root": data.dataset_root,
            "annotations": data.annotations,
            "split": data.split,
            "num_clips": REFERENCE_CLIPS,
            "output_file": folder / "forgetting.json",
        }
        commands.append(("evaluate", *as_flags(test | forgetting)))
    return tuple(commands)
