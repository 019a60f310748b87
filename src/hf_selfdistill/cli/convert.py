"""The subcommand `convert`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import CommandParser, start_logging

__all__ = ["ConversionArguments", "main"]

logger = logging.getLogger(__name__)


@dataclass
class ConversionArguments:
    """Conversion."""

    source: Literal["rspnet", "vcop", "pace", "torchvision"] = field(
        metadata={"help": "Project that wrote the checkpoint."}
    )
    checkpoint: str = field(metadata={"help": "File of the checkpoint."})
    output_dir: str = field(metadata={"help": "Folder of the converted encoder."})


def main(argv: Sequence[str] | None = None) -> None:
    """Convert a checkpoint."""
    parser = CommandParser(
        ConversionArguments,
        description="Convert a pre-trained C3D or R(2+1)D of another project into a folder for from_pretrained.",
    )
    with user_errors(parser.flags):
        (args,) = parser.parse(argv)
        start_logging(flags=parser.flags)
        from hf_selfdistill.models.conversion import PREPROCESSING, load_foreign_checkpoint
        from hf_selfdistill.models.video_processing_c3d import C3DVideoProcessor
        from hf_selfdistill.training.citations import PRETRAINED_BY

        model, report = load_foreign_checkpoint(args.checkpoint, args.source)
        setattr(model.config, PRETRAINED_BY, args.source)  # for the cards of models made from the encoder
        model.save_pretrained(args.output_dir)
        C3DVideoProcessor(**PREPROCESSING[args.source]).save_pretrained(args.output_dir)
        logger.info("%s", report)
        logger.info("The converted encoder is in %s", args.output_dir)
