"""The subcommand `export`."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import CommandParser, start_logging

if TYPE_CHECKING:
    from transformers import BaseVideoProcessor, PreTrainedModel

__all__ = ["ExportArguments", "main"]

logger = logging.getLogger(__name__)

CHATTY = ("onnx_ir", "onnxscript")  # these log every simplified node


@dataclass
class ExportArguments:
    """Export."""

    model_name_or_path: str = field(metadata={"help": "A fine-tuned model: a folder, or a name on the Hub."})
    output_dir: str = field(metadata={"help": "Folder of the file and of the processor's settings."})
    format: Literal["onnx", "torch_export", "remote_code"] = field(
        default="onnx",
        metadata={
            "help": "model.onnx; model.pt2 for torch.export.load; or, for C3D and R(2+1)D, a folder with the code of "
            "the model beside its weights, for trust_remote_code=True."
        },
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Export a model."""
    parser = CommandParser(ExportArguments, description="Write a fine-tuned classifier for another runtime.")
    with user_errors(parser.flags):
        (args,) = parser.parse(argv)
        if Path(args.output_dir).resolve() == Path(args.model_name_or_path).resolve():
            raise ValueError(f"`output_dir` {args.output_dir} is the folder of the model; name another one")
        start_logging(flags=parser.flags)
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        from hf_selfdistill.data.whole_files import check_writable
        from hf_selfdistill.models.loading import load_for_inference

        check_writable(Path(args.output_dir))
        model, processor = load_for_inference(args.model_name_or_path)
        if args.format == "remote_code":
            _export_code(args, model, processor)
        else:
            _export_program(args, model, processor)


def _export_program(args: ExportArguments, model: PreTrainedModel, processor: BaseVideoProcessor) -> None:
    import torch

    from hf_selfdistill.data.transforms import ClipProcessor
    from hf_selfdistill.hub.export import export_classifier
    from hf_selfdistill.models.frames import frames_per_clip

    clips = torch.zeros(2, frames_per_clip(model.config), 3, *ClipProcessor.size_of(processor))
    file = export_classifier(model, clips, args.format, Path(args.output_dir))
    processor.save_pretrained(args.output_dir)
    model.config.save_pretrained(args.output_dir)  # with the names of the classes
    logger.info("The exported model is %s; it takes pixel_values %s", file.resolve(), ("batch", *clips.shape[1:]))


def _export_code(args: ExportArguments, model: PreTrainedModel, processor: BaseVideoProcessor) -> None:
    from transformers.utils import cached_file

    from hf_selfdistill.hub.remote_code import write_remote_code
    from hf_selfdistill.training.card import CURVES

    folder = Path(args.output_dir).resolve()
    card, curves = (
        cached_file(args.model_name_or_path, name, _raise_exceptions_for_missing_entries=False)
        for name in ("README.md", CURVES)
    )
    write_remote_code(model, processor, folder, Path(card) if card else None)
    if curves:
        shutil.copyfile(curves, folder / CURVES)  # for the card
    logger.info("The model and its code are in %s; upload it with: hf upload USER/MODEL %s", folder, folder)
