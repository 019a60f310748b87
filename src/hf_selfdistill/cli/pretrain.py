"""The subcommand `pretrain`."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import shlex
import sys
from collections.abc import Sequence

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import (
    MOST_USED_TRAINING,
    CommandParser,
    as_flags,
    config_flags,
    fit_workers,
    start_logging,
)
from hf_selfdistill.pretraining.objective_arguments import OBJECTIVE_ARGUMENTS, RSPNetArguments
from hf_selfdistill.runs.configs import FROM_SCRATCH, PretrainConfig
from hf_selfdistill.training.arguments import given_values

__all__ = ["main", "parse", "parser"]

logger = logging.getLogger(__name__)

RECIPE = {
    "optim": "sgd",
    "optim_args": "momentum=0.9",
    "learning_rate": 0.02,
    "distill_weight": 10,
    "num_train_epochs": 30,
    "eval_strategy": "epoch",
}
"""Fine-tuning of C3D and R(2+1)D, as in `configs/folder.yaml`."""


def main(argv: Sequence[str] | None = None) -> None:
    """Pre-train an encoder."""
    argv = list(sys.argv[1:] if argv is None else argv)
    flags = parser(argv).flags
    with user_errors(flags):
        config = parse(argv)
        start_logging(config, flags)
        fit_workers(config)
        from hf_selfdistill.runs.pretrain import pretrain

        record = pretrain(config)
        logger.info("Training loss %.4f, the mean over the run", record.metrics["train_loss"])
        values = {"model_name_or_path": config.output_dir, "dataset": "folder", "dataset_root": "LABELLED_VIDEOS"}
        recipe = RECIPE if record.model["model_type"] in FROM_SCRATCH else {}
        following = shlex.join(as_flags({**values, **recipe, "output_dir": "FINE_TUNED"}))
        logger.info("Next, fine-tune it: hf-selfdistill finetune %s", following)


def parse(argv: Sequence[str]) -> PretrainConfig:
    """Return the config of the flags; exit with one line if a flag is wrong."""
    config, own = parser(argv).parse(argv)
    return dataclasses.replace(config, objective_arguments=given_values(own))


def parser(argv: Sequence[str]) -> CommandParser:
    """Return the parser of the flags, including those of the objective named in `argv`."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--objective", nargs="?", default="rspnet")  # the full parser reports a wrong value
    try:
        name = first.parse_known_args([*config_flags(argv), *argv])[0].objective
    except ValueError:  # the full parser reports a wrong file
        name = "rspnet"
    return CommandParser(
        PretrainConfig,
        OBJECTIVE_ARGUMENTS.get(name, RSPNetArguments),
        description="Pre-train an encoder on videos without labels.",
        most_used=MOST_USED_TRAINING,
    )
