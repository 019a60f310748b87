"""The subcommand `predict`."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hf_selfdistill.cli.errors import one_line, printable, user_errors
from hf_selfdistill.cli.parser import CommandParser, fit_workers, start_logging
from hf_selfdistill.runs.configs import PredictConfig

if TYPE_CHECKING:
    from hf_selfdistill.runs.predict import Prediction

__all__ = ["OutputArguments", "main"]

logger = logging.getLogger(__name__)


@dataclass
class OutputArguments:
    """Output."""

    format: Literal["table", "jsonl"] = field(
        default="table", metadata={"help": "Table, or one line of JSON per video:"}
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Classify videos; the exit code is 1 if a file can't be read."""
    parser = CommandParser(
        PredictConfig,
        OutputArguments,
        description="Classify video files.",
        positional=("videos", "Video files, folders of them, or - for paths on standard input, one per line."),
    )
    with user_errors(parser.flags):
        config, output, names = parser.parse(argv)
        start_logging(flags=parser.flags)
        fit_workers(config, "num_workers")
        videos = [video for name in names for video in (sys.stdin.read().splitlines() if name == "-" else [name])]
        config = dataclasses.replace(config, videos=[video for video in videos if video])
        failures = _run(config, output.format)
    for error in failures:
        sys.stderr.write(f"error: {one_line(error)}\n")
    sys.exit(1 if failures else 0)


def _run(config: PredictConfig, format: str) -> list[Exception]:
    """Print the classes of all videos, and return the errors of unreadable videos."""
    from tqdm import tqdm
    from transformers.utils.logging import disable_progress_bar

    from hf_selfdistill.data.video_files import named_videos
    from hf_selfdistill.runs.predict import predict

    if not sys.stderr.isatty():
        disable_progress_bar()  # for loading weights
    number = len(named_videos(config.videos))
    failures: list[Exception] = []
    hidden = True if number < 10 else None  # None hides the bar unless standard error is a terminal
    for prediction in tqdm(predict(config), total=number, unit="video", disable=hidden):
        if prediction.error is not None:
            failures.append(prediction.error)
        if not _write(_lines(prediction, format)) and config.explain is None:
            break
    if config.explain is not None and len(failures) < number:
        logger.info("The pictures are in %s", Path(config.explain).resolve())
    return failures


def _write(lines: Iterable[str]) -> bool:
    """Print lines; return False if the output was closed."""
    from tqdm import tqdm

    try:
        for line in lines:
            tqdm.write(line)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python prints an error at exit
        return False
    return True


def _lines(prediction: Prediction, format: str) -> list[str]:
    if prediction.error is not None:
        failed = {"video": prediction.video, "error": prediction.error.reason}
        return [json.dumps(failed, ensure_ascii=False)] if format == "jsonl" else []
    if format == "jsonl":
        classes = [{"label": label, "score": score} for label, score in prediction.classes]
        return [json.dumps({"video": prediction.video, "predictions": classes}, ensure_ascii=False)]
    return [printable(prediction.video), *(f"  {score:6.1%}  {printable(name)}" for name, score in prediction.classes)]
