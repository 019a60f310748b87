"""The subcommand `reproduce`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from hf_selfdistill.cli.ablate import ClusterArguments, refuse_flags
from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import CommandParser, start_logging
from hf_selfdistill.training.arguments import check_choice

__all__ = ["ReproductionArguments", "main"]

MODELS, DATASETS = ("c3d", "r2plus1d"), ("ucf101", "hmdb51")
PER_ROW = (
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
class ReproductionArguments(ClusterArguments):
    """Reproduction; all other flags apply to all trainings, pre-training too: --bf16 true, --max_steps 100."""

    output_dir: str = field(
        default="reproduction", metadata={"help": "Folder of the runs, table1.md, table2.md and results.csv."}
    )
    kinetics_root: str | None = field(
        default=None,
        metadata={
            "help": "Folder of Kinetics-400's training videos, to pre-train encoders without a flag of their own."
        },
    )
    c3d: str | None = field(
        default=None, metadata={"help": "An RSPNet C3D to start from, converted or your own, instead of pre-training."}
    )
    r2plus1d: str | None = field(default=None, metadata={"help": "An RSPNet R(2+1)D to start from."})
    ucf101_root: str | None = field(default=None, metadata={"help": "UCF101's videos."})
    ucf101_annotations: str | None = field(default=None, metadata={"help": "UCF101's official lists."})
    hmdb51_root: str | None = field(default=None, metadata={"help": "HMDB51's videos."})
    hmdb51_annotations: str | None = field(default=None, metadata={"help": "HMDB51's official lists."})
    models: list[str] = field(default_factory=lambda: list(MODELS), metadata={"help": "Encoders: c3d, r2plus1d."})
    distill_weights: list[float] = field(
        default_factory=list,
        metadata={"help": "λ of every row; by default 0 and the paper's. 0 0.1 1 10 100 1000 fills Table 2."},
    )
    splits: list[int] = field(default_factory=lambda: [1], metadata={"help": "Official splits; the paper's is 1."})
    seeds: list[int] = field(default_factory=lambda: [0], metadata={"help": "Seeds of the fine-tunings."})
    plan: bool = field(default=False, metadata={"help": "List the runs with their numbers of videos, and stop."})
    smoke: bool = field(
        default=False,
        metadata={"help": "The whole chain in minutes, on generated videos with small networks, no GPU."},
    )

    def __post_init__(self) -> None:
        """Check the names, and for one device per run."""
        for name in self.models:
            check_choice("models", name, MODELS)
        for device in self.devices:
            if "," in device:
                raise ValueError(
                    f"`devices` has {device}, but a recipe's batch is one GPU's; give {device.replace(',', ' ')}"
                )


def main(argv: Sequence[str] | None = None) -> None:
    """Reproduce the paper's tables."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = CommandParser(
        ReproductionArguments,
        description="Reproduce the paper's Tables 1 and 2: pre-train, fine-tune, test. The same command resumes.",
    )
    with user_errors(parser.flags):
        refuse_flags(argv, PER_ROW)
        args, rest = parser.parse_known(argv)
        start_logging(flags=parser.flags)
        run(args, _values(rest))


def run(args: ReproductionArguments, overrides: dict[str, object]) -> None:
    """Print the plan, do the unfinished runs, and print Table 1.

    Raises:
        ValueError: an argument is wrong, or some runs failed.
    """
    from tqdm import tqdm

    from hf_selfdistill.experiments.reproduction import Reproduction, reproduce
    from hf_selfdistill.experiments.smoke_videos import write_smoke_videos

    if args.smoke:
        args = replace(args, **write_smoke_videos(Path(args.output_dir) / "videos")._asdict())
    given = vars(args)
    for flag in ("kinetics_root", *(f"{name}_{what}" for name in DATASETS for what in ("root", "annotations"))):
        if given[flag] is not None and not Path(given[flag]).is_dir():
            raise ValueError(f"`{flag}` {given[flag]} is not a folder")
    datasets = {name: (given[f"{name}_root"], given[f"{name}_annotations"]) for name in DATASETS}
    datasets = {name: place for name, place in datasets.items() if place[0] is not None}
    if not datasets:
        raise ValueError("no data set to fine-tune on; give --ucf101_root, --hmdb51_root or both")
    asked = Reproduction(
        Path(args.output_dir),
        datasets,
        _encoders(args),
        args.kinetics_root,
        args.models,
        args.distill_weights,
        args.splits,
        args.seeds,
        overrides,
        args.smoke,
    )
    tqdm.write(asked.plan())
    if not args.plan:
        tqdm.write(reproduce(asked, args.devices, args.cluster, args.executor_parameters()))
        tqdm.write(f"{asked.output_dir.resolve()}: table1.md, table2.md, results.csv")


def _encoders(args: ReproductionArguments) -> dict[str, str]:
    from hf_selfdistill.models.loading import load_encoder

    encoders = {name: vars(args)[name] for name in args.models if vars(args)[name] is not None}
    for name, encoder in encoders.items():
        if (found := load_encoder(encoder)[0].config.model_type) != name:
            raise ValueError(f"`{name}` {encoder} is a {found}")
    missing = [name for name in args.models if name not in encoders]
    if missing and args.kinetics_root is None:
        raise ValueError(
            f"no encoder to start from: give --{missing[0]} ENCODER (hf-selfdistill convert makes one from a released "
            "checkpoint), or --kinetics_root to pre-train it"
        )
    return encoders


def _values(rest: Sequence[str]) -> dict[str, object]:
    """Return flags for all trainings as values.

    Raises:
        ValueError: an argument is not a flag, or a flag has no value.
    """
    values: dict[str, object] = {}
    words = [part for word in rest for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for flag, value in zip(words[::2], [*words[1::2], None], strict=False):
        if not flag.startswith("--") or value is None:
            raise ValueError(f"{flag} can't be read; give flags with one value each")
        values[flag[2:]] = yaml.safe_load(value)
    return values
