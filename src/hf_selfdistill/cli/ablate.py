"""The subcommand `ablate`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hf_selfdistill.cli import finetune
from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import CommandParser, start_logging
from hf_selfdistill.experiments.comparison import STRENGTHS
from hf_selfdistill.regularizers.arguments import REGULARIZERS
from hf_selfdistill.training.arguments import check_choice, check_positive

__all__ = ["AblationArguments", "ClusterArguments", "main", "refuse_flags"]

logger = logging.getLogger(__name__)

AXES = {
    "seed": "seeds",
    "split": "splits",
    "label_fraction": "label_fractions",
    "learning_rate": "learning_rates",
    "regularizer": "regularizers",
    "distill_weight": "distill_weights",
}
"""Field that varies → flag with its values. The seed varies slowest, so early results compare all settings."""

SET_PER_RUN = ("seed", "split", "label_fraction", "regularizer", "distill_weight")


@dataclass
class ClusterArguments:
    """Devices or cluster of the runs."""

    devices: list[str] = field(
        default_factory=lambda: ["0"],
        metadata={
            "help": "GPU ids; one run at a time on each. On a CPU the number of names is the number of parallel runs."
        },
    )
    cluster: Literal["slurm", "local", "debug"] | None = field(
        default=None,
        metadata={"help": "Submit the runs to a cluster through submitit instead of starting local processes:"},
    )
    cluster_args: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Job parameters: partition=gpu time=1440 (minutes) gpus=1, or submitit's own: slurm_qos=long."
        },
    )

    def executor_parameters(self) -> dict[str, Any]:
        """Return submitit's parameters.

        Raises:
            ValueError: an argument is not `name=value`.
        """
        names = {
            "partition": "slurm_partition",
            "time": "timeout_min",
            "gpus": "gpus_per_node",
            "cpus": "cpus_per_task",
        }
        found: dict[str, Any] = {}
        for argument in self.cluster_args:
            name, _, value = argument.partition("=")
            if not value:
                raise ValueError(f"`cluster_args` has {argument!r}; give name=value, such as partition=gpu")
            found[names.get(name, name)] = int(value) if value.isdigit() else value
        return found


@dataclass
class AblationArguments(ClusterArguments):
    """Ablation; all other flags are those of finetune and apply to all runs."""

    output_dir: str = field(
        default="ablation", metadata={"help": "Folder of the runs, the table, the figures and results.csv."}
    )
    distill_weights: list[float] = field(
        default_factory=lambda: [0.0, 0.1, 1.0, 10.0, 100.0, 1000.0],
        metadata={"help": "λ of self-distillation; 0 is plain fine-tuning."},
    )
    regularizers: list[str] = field(
        default_factory=lambda: ["self_distillation"],
        metadata={"help": f"Regularizers to compare: {', '.join(REGULARIZERS)}; only self_distillation has λ."},
    )
    strengths: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Strengths of regularizers: l2_sp=0.01,0.1,1 layerwise_lr_decay=0.5,0.75; else the recipe's."
        },
    )
    learning_rates: list[float] = field(
        default_factory=list, metadata={"help": "Learning rates; by default the recipe's."}
    )
    label_fractions: list[float] = field(
        default_factory=list, metadata={"help": "Fractions of each class's training videos; by default the recipe's."}
    )
    splits: list[int] = field(default_factory=list, metadata={"help": "Official splits; by default the recipe's."})
    seeds: list[int] = field(default_factory=lambda: [0], metadata={"help": "Seeds of the runs."})
    num_clips: int = field(default=10, metadata={"help": "Test clips per video."})

    def __post_init__(self) -> None:
        """Check names and numbers."""
        for name in self.regularizers:
            if name == "none":
                raise ValueError("`regularizers` has none; plain fine-tuning is `distill_weights` 0")
            check_choice("regularizers", name, REGULARIZERS)
        check_positive("num_clips", self.num_clips)
        self.swept()

    def swept(self) -> dict[str, list[float]]:
        """Return the strengths of each regularizer that is swept.

        Raises:
            ValueError: an argument is not `regularizer=value,value`, or that regularizer is not compared.
        """
        found: dict[str, list[float]] = {}
        for argument in self.strengths:
            name, _, values = argument.partition("=")
            try:
                found[name] = [float(value) for value in values.split(",")]
            except ValueError:
                raise ValueError(f"`strengths` has {argument!r}; give name=value,value, such as l2_sp=0.1,1") from None
            if name not in STRENGTHS or name not in self.regularizers:
                raise ValueError(
                    f"`strengths` has {argument!r}; {name} must be in `regularizers` and one of {', '.join(STRENGTHS)}"
                )
        return found

    def axes(self) -> dict[str, list[Any]]:
        """Return the values of each field that varies."""
        return {name: getattr(self, flag) for name, flag in AXES.items() if getattr(self, flag)}


def main(argv: Sequence[str] | None = None) -> None:
    """Compare fine-tuning settings."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = CommandParser(
        AblationArguments,
        description="Compare fine-tuning over λ, learning rates, label fractions, regularizers, splits and seeds.",
    )
    with user_errors(parser.flags | finetune.parser().flags):
        refuse_flags(argv, SET_PER_RUN)
        args, recipe = parser.parse_known(argv)
        start_logging(flags=parser.flags | finetune.parser().flags)
        (base,) = finetune.parser().parse([*recipe, "--output_dir", args.output_dir, "--disable_tqdm", "true"])
        from hf_selfdistill.experiments.ablation import ablate

        folder = Path(args.output_dir)
        table = ablate(
            base,
            folder,
            args.axes(),
            args.swept(),
            args.num_clips,
            args.devices,
            args.cluster,
            args.executor_parameters(),
        )
        logger.info("%s\n%s", table, folder.resolve())


def refuse_flags(argv: Sequence[str], names: Collection[str]) -> None:
    """Refuse flags that the command sets for each run.

    Raises:
        ValueError: such a flag is given.
    """
    for word in argv:
        name = word.removeprefix("--").split("=")[0]
        if word.startswith("--") and name in names:
            instead = f"; give --{AXES[name]}" if names is SET_PER_RUN else "; remove it"
            raise ValueError(f"--{name} is set for each run{instead}")
