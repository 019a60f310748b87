"""Write a fine-tuned classifier for another runtime."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from hf_selfdistill.commands.arguments import CommandParser, start_logging, user_errors
from hf_selfdistill.commands.models import frames_per_clip, load_for_inference
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.hub.export import export_classifier

__all__ = ["ExportArguments", "main"]

logger = logging.getLogger(__name__)


@dataclass
class ExportArguments:
    """Export."""

    model_name_or_path: str = field(metadata={"help": "A fine-tuned model: a folder, or a name on the Hub."})
    output_dir: str = field(metadata={"help": "Where the file and the settings of the processor go."})
    format: Literal["onnx", "torch_export"] = field(
        default="onnx", metadata={"help": "model.onnx, or model.pt2 for torch.export.load."}
    )


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/export_model.py`."""
    parser = CommandParser(ExportArguments, description="Write a fine-tuned classifier for another runtime.")
    with user_errors():
        (args,) = parser.parse(argv)
        start_logging()
        model, processor = load_for_inference(args.model_name_or_path)
        clips = torch.zeros(2, frames_per_clip(model.config), 3, *ClipProcessor.size_of(processor))
        file = export_classifier(model, clips, args.format, Path(args.output_dir))
        processor.save_pretrained(args.output_dir)
        model.config.save_pretrained(args.output_dir)  # which names the classes
        logger.info("The exported model is %s; it takes pixel_values %s", file.resolve(), ("batch", *clips.shape[1:]))
