"""Convert a checkpoint of RSPNet, VCOP, Pace or torchvision into a folder for `from_pretrained`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from hf_selfdistill.cli.parser import CommandParser, start_logging, user_errors
from hf_selfdistill.models import C3DVideoProcessor
from hf_selfdistill.models.conversion import PREPROCESSING, load_foreign_checkpoint
from hf_selfdistill.training.citations import PRETRAINED_BY

__all__ = ["ConversionArguments", "main"]

logger = logging.getLogger(__name__)


@dataclass
class ConversionArguments:
    """Conversion."""

    source: Literal["rspnet", "vcop", "pace", "torchvision"] = field(
        metadata={"help": "Which project wrote the checkpoint."}
    )
    checkpoint: str = field(metadata={"help": "The file."})
    output_dir: str = field(metadata={"help": "Where the converted encoder goes."})


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/convert_checkpoint.py`."""
    parser = CommandParser(
        ConversionArguments,
        description="Convert a pre-trained C3D or R(2+1)D of another project into a folder for from_pretrained.",
    )
    with user_errors():
        (args,) = parser.parse(argv)
        start_logging()
        model, report = load_foreign_checkpoint(args.checkpoint, args.source)
        setattr(model.config, PRETRAINED_BY, args.source)  # for the model cards of what is made of it
        model.save_pretrained(args.output_dir)
        C3DVideoProcessor(**PREPROCESSING[args.source]).save_pretrained(args.output_dir)
        logger.info("%s", report)
        logger.info("The converted encoder is in %s", args.output_dir)
