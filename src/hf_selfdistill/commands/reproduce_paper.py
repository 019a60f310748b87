"""Stage one, stage two and the tests behind the paper's Tables 1 and 2, written beside the paper's figures."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

from tqdm import tqdm

from hf_selfdistill.cli.parser import CommandParser, flags_among, start_logging, user_errors
from hf_selfdistill.commands.provenance import hash_of_model
from hf_selfdistill.commands.reproduction import (
    RECIPES,
    Row,
    Sources,
    check_encoder,
    finetuning_step,
    from_its_encoder,
    pretraining_step,
    rows_of,
)
from hf_selfdistill.commands.reproduction_costs import Step, plan_table, wall_hours
from hf_selfdistill.commands.reproduction_results import write_results
from hf_selfdistill.commands.run_queue import run_jobs
from hf_selfdistill.experiments.paper_tables import DATASETS, MODELS
from hf_selfdistill.experiments.smoke_videos import write_smoke_videos
from hf_selfdistill.training.arguments import check_choice

__all__ = ["ReproductionArguments", "main"]

SET_PER_RUN = (
    "config",
    "model_type",
    "model_name_or_path",
    "dataset",
    "dataset_root",
    "annotations",
    "split",
    "seed",
    "distill_weight",
    "keep_best",
)


@dataclass
class ReproductionArguments:
    """Reproduction; every other flag goes to all trainings, pre-training too: --bf16, --dataloader_num_workers 16."""

    output_dir: str = field(metadata={"help": "A folder per run, table1.md, table2.md, results.csv."})
    kinetics_root: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "Folder of Kinetics-400's training videos, for encoders that are not given."}
    )
    c3d: Optional[str] = field(  # noqa: UP045
        default=None, metadata={"help": "An RSPNet C3D to start from, converted or your own, in place of stage one."}
    )
    r2plus1d: Optional[str] = field(default=None, metadata={"help": "The same of R(2+1)D."})  # noqa: UP045
    ucf101_root: Optional[str] = field(default=None, metadata={"help": "UCF101's videos."})  # noqa: UP045
    ucf101_annotations: Optional[str] = field(default=None, metadata={"help": "Its official lists."})  # noqa: UP045
    hmdb51_root: Optional[str] = field(default=None, metadata={"help": "HMDB51's videos."})  # noqa: UP045
    hmdb51_annotations: Optional[str] = field(default=None, metadata={"help": "Its official lists."})  # noqa: UP045
    models: list[str] = field(default_factory=lambda: list(MODELS), metadata={"help": "Which of the two encoders."})
    distill_weights: Optional[list[float]] = field(  # noqa: UP045
        default=None,
        metadata={"help": "λ of every row; by default 0 and the paper's. 0 0.1 1 10 100 1000 fills Table 2"},
    )
    splits: list[int] = field(default_factory=lambda: [1], metadata={"help": "Official splits; the paper's is 1."})
    seeds: list[int] = field(default_factory=lambda: [0], metadata={"help": "Seeds of the fine-tunings."})
    devices: list[str] = field(
        default_factory=lambda: ["0"],
        metadata={
            "help": "GPUs, for CUDA_VISIBLE_DEVICES: a pre-training takes them all, then each fine-tunes on its own. "
            "Without GPUs, as many names"
        },
    )
    plan: bool = field(default=False, metadata={"help": "Say what it takes and stop."})
    smoke: bool = field(
        default=False,
        metadata={"help": "The whole chain in minutes, on generated videos with small networks, no GPU."},
    )

    def __post_init__(self) -> None:
        """Check names and that nothing is empty."""
        for name in self.models:
            check_choice("models", name, tuple(MODELS))
        for name, values in vars(self).items():
            if isinstance(values, list) and not values:
                raise ValueError(f"--{name} has no value")
        several = [device for device in self.devices if "," in device]
        if several:
            raise ValueError(
                f"--devices {several[0]}: a recipe's batch is one GPU's; give {several[0].split(',')[0]} …"
            )


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/reproduce_paper.py`."""
    parser = CommandParser(
        ReproductionArguments,
        description="Pre-train, fine-tune and test what the paper's Tables 1 and 2 report; the same command resumes.",
    )
    with user_errors():
        args, extra = parser.parse_some(list(sys.argv[1:] if argv is None else argv))
        start_logging()
        run(args, extra)


def run(args: ReproductionArguments, extra: list[str]) -> None:
    """Check all that is given, say what it takes, do what is not done, write what there is.

    Raises:
        ValueError: an argument is wrong, the disk is too small; some runs failed, which the message names.
    """
    if not RECIPES.is_dir():
        raise ValueError(f"{RECIPES}/ is not here; start in the project's folder")
    if own := flags_among(extra, SET_PER_RUN):
        raise ValueError(f"{own[0]} is set for each run by itself, from {RECIPES}/ and the flags that --help lists")
    if args.smoke:
        videos = write_smoke_videos(Path(args.output_dir) / "videos")
        args = replace(args, **videos._asdict())
    sources = _sources(args, extra)
    stage_one = {name: pretraining_step(sources, name) for name in args.models if name not in sources.encoders}
    rows = rows_of(args.models, sources.datasets, args.distill_weights, args.splits, args.seeds)
    stage_two = {row: finetuning_step(sources, row) for row in rows}
    steps = [*stage_one.values(), *stage_two.values()]
    tqdm.write(_plan(args, list(stage_one.values()), list(stage_two.values())))
    _check_disk(sources.output_dir, steps)
    if args.plan:
        return
    _work(sources, args.devices, stage_one, stage_two)
    unfinished = [step.job.folder.name for step in steps if not step.job.is_finished]
    if unfinished:
        raise ValueError(
            f"{len(unfinished)} of {len(steps)} jobs are not done: {', '.join(unfinished)}; their log.txt "
            "says why, and the same command goes on"
        )


def _work(sources: Sources, devices: list[str], stage_one: dict[str, Step], stage_two: dict[Row, Step]) -> None:
    """Both stages, and the tables of what is finished."""
    run_jobs([step.job for step in stage_one.values()], [",".join(devices)])
    rows = [row for row in stage_two if _has_encoder(row, stage_one)]
    encoders = {name: hash_of_model(sources.encoder(name)) for name in {row.model_type for row in rows}}
    ready = {row: from_its_encoder(stage_two[row].job, encoders[row.model_type]) for row in rows}
    run_jobs(list(ready.values()), devices)
    finished = {row: job.folder for row, job in ready.items() if job.is_finished}
    if finished:
        tqdm.write(write_results(sources.output_dir, finished, sources.smoke))
        tqdm.write(f"{sources.output_dir.resolve()}: table1.md, table2.md, results.csv")


def _has_encoder(row: Row, stage_one: dict[str, Step]) -> bool:
    return row.model_type not in stage_one or stage_one[row.model_type].job.is_finished


def _sources(args: ReproductionArguments, extra: list[str]) -> Sources:
    """What is given, looked at."""
    given = vars(args)
    datasets = {name: (given[f"{name}_root"], given[f"{name}_annotations"]) for name in DATASETS}
    datasets = {name: place for name, place in datasets.items() if place[0] is not None}
    if not datasets:
        raise ValueError("no data set to fine-tune on: give --ucf101_root, --hmdb51_root or both")
    encoders = {name: given[name] for name in args.models if given[name] is not None}
    for flag in ("kinetics_root", *(f"{name}_{what}" for name in DATASETS for what in ("root", "annotations"))):
        if given[flag] is not None and not Path(given[flag]).is_dir():
            raise ValueError(f"--{flag} {given[flag]} is not a folder")
    for name, encoder in encoders.items():
        check_encoder(name, encoder)
    missing = [name for name in args.models if name not in encoders]
    if missing and args.kinetics_root is None:
        raise ValueError(
            f"no encoder to start from: give --{missing[0]} ENCODER (scripts/convert_checkpoint.py --source rspnet "
            "makes one of a released checkpoint), or --kinetics_root to pre-train it"
        )
    return Sources(Path(args.output_dir), args.kinetics_root, datasets, encoders, extra, args.smoke)


def _plan(args: ReproductionArguments, stage_one: list[Step], stage_two: list[Step]) -> str:
    """The jobs, and what may surprise."""
    one, two = ([step.hours for step in stage if not step.job.is_finished] for stage in (stage_one, stage_two))
    devices = len(args.devices)
    hours = wall_hours(one, devices, each_on_all=True), wall_hours(two, devices, each_on_all=False)
    lines = [
        plan_table([*stage_one, *stage_two]),
        f"On {devices} V100 at best {hours[0]:.0f} h for stage one and {hours[1]:.0f} h for stage two.",
        "Hours of pre-training are those of RSPNet's authors, per video and epoch; those of fine-tuning are estimated "
        "from them and may be wrong by half (docs/reproduce.md). GB are an upper bound.",
    ]
    if args.smoke:
        lines.append("The hours are those of full-size networks; a smoke run takes minutes in all.")
    if one and devices == 1:
        lines.append(
            "On one GPU RSPNet's batches are not shuffled; the released code had four GPUs for C3D, six for R(2+1)D."
        )
    return "\n".join(lines)


def _check_disk(output_dir: Path, steps: list[Step]) -> None:
    """Raise where the disk has less room than the jobs that are to do need at most."""
    place = output_dir.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    needed = sum(step.gigabytes for step in steps if not step.job.is_finished)
    if free < needed:
        raise ValueError(f"--output_dir {output_dir}: {free:.1f} GB are free there, {needed:.1f} GB are needed")
