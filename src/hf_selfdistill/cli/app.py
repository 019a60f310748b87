"""The subcommand `app`."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from hf_selfdistill.cli.errors import user_errors
from hf_selfdistill.cli.parser import CommandParser, start_logging
from hf_selfdistill.training.arguments import check_positive

__all__ = ["AppArguments", "main"]


@dataclass
class AppArguments:
    """Page."""

    model_name_or_path: str = field(metadata={"help": "A fine-tuned model: a folder, or a name on the Hub."})
    compare_with: str | None = field(
        default=None, metadata={"help": "A second model to compare with, such as the one with λ = 0."}
    )
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video, their logits averaged."})
    examples: str | None = field(
        default=None,
        metadata={"help": "Folder of videos to choose from; by default moving shapes, if known."},
    )
    frame_stride: int | None = field(
        default=None, metadata={"help": "Take every n-th frame; by default as the model was trained, else 1."}
    )
    target_fps: float | None = field(
        default=None, metadata={"help": "Draw clips at this frame rate; by default as the model was trained."}
    )
    server_name: str = field(default="127.0.0.1", metadata={"help": "Address of the server; 0.0.0.0 listens on all."})
    server_port: int = field(default=7860, metadata={"help": "Port of the server."})
    max_upload: int = field(default=200, metadata={"help": "Maximum size of an uploaded video in megabytes."})
    max_seconds: float = field(
        default=60.0, metadata={"help": "Maximum time in seconds for each pass over a video; a request takes several."}
    )

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("num_clips", "frame_stride", "target_fps", "max_upload", "max_seconds"):
            check_positive(name, getattr(self, name))


def main(argv: Sequence[str] | None = None) -> None:
    """Serve the page until it is interrupted."""
    parser = CommandParser(AppArguments, description="Open a page in the browser that classifies dropped videos.")
    with user_errors(parser.flags):
        (args,) = parser.parse(argv)
        start_logging(flags=parser.flags)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # requests of the page to its server
        if find_spec("gradio") is None:
            raise ValueError('the page needs Gradio; install it with pip install "hf_selfdistill[app]"')
        from hf_selfdistill.runs.page import Classifier, build_page, example_videos, launch

        signal.signal(signal.SIGTERM, signal.default_int_handler)  # or the folder stays when a container stops
        with tempfile.TemporaryDirectory() as folder:
            names = [args.model_name_or_path, *([args.compare_with] if args.compare_with else [])]
            models = [Classifier(name, args, args.num_clips, Path(folder), args.max_seconds) for name in names]
            examples = example_videos(models[0], args.examples, Path(folder))
            os.environ["GRADIO_TEMP_DIR"] = folder  # for uploads and Gradio's copies
            page = build_page(models, examples)
            launch(page, args.server_name, args.server_port, args.max_upload)
            page.block_thread()
