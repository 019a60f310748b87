"""Classify video files."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Optional

import datasets
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import BaseVideoProcessor, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from hf_selfdistill.cli.parser import CommandParser, fit_workers, start_logging, user_errors
from hf_selfdistill.commands.datasets import SamplingArguments, testing_clips
from hf_selfdistill.data.clips import UNREADABLE, TestingClips, collate_clips
from hf_selfdistill.data.decoding import VideoDecodingError
from hf_selfdistill.data.video_files import named_videos
from hf_selfdistill.models.loading import load_for_inference
from hf_selfdistill.reporting.explain import Explainer
from hf_selfdistill.training.multi_clip import likeliest, rows_of_videos

__all__ = ["Prediction", "PredictionArguments", "main", "predict", "prediction_clips"]

logger = logging.getLogger(__name__)


@dataclass
class PredictionArguments:
    """Prediction."""

    model_name_or_path: str = field(metadata={"help": "A fine-tuned model: a folder, or a name on the Hub."})
    top_k: int = field(default=5, metadata={"help": "How many classes to show per video."})
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video, their logits averaged."})
    batch_size: int = field(default=4, metadata={"help": "Videos that go through the model at once, all clips each."})
    num_workers: int = field(default=0, metadata={"help": "Processes that read videos meanwhile."})
    format: Literal["table", "jsonl"] = field(default="table", metadata={"help": "For readers, or a line per video:"})
    explain: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None,
        metadata={"help": "Folder for a picture and a GIF per video of where its class was seen (Grad-CAM)."},
    )

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, least in (("top_k", 1), ("num_clips", 1), ("batch_size", 1), ("num_workers", 0)):
            if vars(self)[name] < least:
                raise ValueError(f"--{name} is {vars(self)[name]}; it must be at least {least}")


@dataclass(frozen=True)
class Prediction:
    """What a model says of a video.

    Args:
        video: its path.
        logits: `(K, classes)` of its clips; None where it can't be read.
        error: why it can't be read.
    """

    video: str
    logits: torch.Tensor | None
    error: VideoDecodingError | None = None

    @property
    def scores(self) -> torch.Tensor:
        """Class probabilities `(classes,)`: the softmax of the mean logits of the clips."""
        assert self.logits is not None
        return self.logits.mean(0).softmax(-1)


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/predict.py`; exit code 1 where some file could not be read."""
    parser = CommandParser(
        PredictionArguments,
        SamplingArguments,
        description="Classify video files.",
        positional=("videos", "Video files, folders of them, or - for paths on standard input, one per line."),
    )
    with user_errors():
        args, sampling, names = parser.parse(argv)
        start_logging()
        fit_workers(args, "num_workers")
        if not sys.stderr.isatty():
            disable_progress_bar()  # of the loading of weights
        records = named_videos([name for word in names for name in (_piped() if word == "-" else [word])])
        model, processor = load_for_inference(args.model_name_or_path)
        clips = prediction_clips(records, model, processor, sampling, args.num_clips)
        explainer, pictures = None, Path(args.explain or ".")
        if args.explain is not None:
            explainer = Explainer(model, processor, clips)
            pictures.mkdir(parents=True, exist_ok=True)
        failures = []
        predictions = predict(clips, model, args.batch_size, args.num_workers)
        hidden = True if len(clips) < 10 else None  # None: where standard error is no terminal
        for prediction in tqdm(predictions, total=len(clips), unit="video", disable=hidden):
            if prediction.error is not None:
                failures.append(prediction.error)
            elif explainer is not None and prediction.logits is not None:
                explainer.write(prediction.video, prediction.logits, pictures)
            if not _write(_lines(prediction, model, args)) and explainer is None:
                break
        if explainer is not None and len(failures) < len(clips):
            logger.info("The pictures are in %s", pictures.resolve())
    for error in failures:
        sys.stderr.write(f"error: {error}\n")
    sys.exit(1 if failures else 0)


def _write(lines: Iterable[str]) -> bool:
    """Whether somebody still reads."""
    try:
        for line in lines:
            tqdm.write(line)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads, head for example, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains of it at its end
        return False
    return True


def prediction_clips(
    records: datasets.Dataset,
    model: PreTrainedModel,
    processor: BaseVideoProcessor,
    sampling: SamplingArguments,
    num_clips: int,
) -> TestingClips:
    """Clips of videos (see `named_videos`) whose classes nobody knows: any label does that is not "unreadable"."""
    return testing_clips(records.add_column("label", [0] * len(records)), model, processor, sampling, num_clips)


@torch.inference_mode()
def predict(
    clips: TestingClips, model: PreTrainedModel, batch_size: int = 1, num_workers: int = 0
) -> Iterator[Prediction]:
    """What a model says of each video, in their order."""
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    model.to(device)
    paths = [video["path"] for video in clips.records["video"]]
    index = 0
    for batch in DataLoader(clips, batch_size, num_workers=num_workers, collate_fn=collate_clips):
        labels = batch.pop("labels")
        logits = model(**{name: value.to(device) for name, value in batch.items()}).logits.flatten(1)
        for row, label in zip(rows_of_videos(logits.float().cpu(), labels), labels[:, 0], strict=True):
            if label == UNREADABLE:
                yield Prediction(paths[index], None, clips.why_unreadable(index))
            else:
                yield Prediction(paths[index], row)
            index += 1


def _piped() -> list[str]:
    return [line for line in sys.stdin.read().splitlines() if line]


def _lines(prediction: Prediction, model: PreTrainedModel, args: PredictionArguments) -> list[str]:
    if prediction.error is not None:
        said: dict[str, Any] = {"video": prediction.video, "error": prediction.error.reason}
        return [json.dumps(said, ensure_ascii=False)] if args.format == "jsonl" else []
    best = likeliest(prediction.scores, model.config.id2label, args.top_k)
    if args.format == "jsonl":
        classes = [{"label": label, "score": score} for label, score in best]
        return [json.dumps({"video": prediction.video, "predictions": classes}, ensure_ascii=False)]
    return [prediction.video, *(f"  {score:6.1%}  {label}" for label, score in best)]
