"""The subcommand `demo`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import CommandParser, start_logging

__all__ = ["DemoArguments", "main"]


@dataclass
class DemoArguments:
    """Demo."""

    output_dir: str = field(default="demo", metadata={"help": "Folder of the videos, models and results."})
    distill_weight: float = field(default=10.0, metadata={"help": "λ of the run with self-distillation."})
    videos_per_class: int = field(default=24, metadata={"help": "Number of videos of each motion."})
    num_pretrain_epochs: int = field(default=40, metadata={"help": "Epochs of RSPNet, without labels."})
    num_train_epochs: int = field(default=12, metadata={"help": "Epochs of each of the two fine-tunings."})
    seed: int = field(default=0, metadata={"help": "Seed of the videos and of the runs."})


def main(argv: Sequence[str] | None = None) -> None:
    """Pre-train, fine-tune with and without self-distillation, compare."""
    parser = CommandParser(
        DemoArguments, description="Pre-train, fine-tune with and without self-distillation, compare."
    )
    with user_errors(parser.flags):
        (args,) = parser.parse(argv)
        start_logging(flags=parser.flags)
        from hf_selfdistill.experiments.demo import demo

        demo(Path(args.output_dir), **{name: value for name, value in vars(args).items() if name != "output_dir"})
