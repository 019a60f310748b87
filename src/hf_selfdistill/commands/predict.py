"""Classify video files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from tqdm import tqdm
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.commands.arguments import CommandParser, start_logging, user_errors
from hf_selfdistill.commands.datasets import SamplingArguments, sampling_rate
from hf_selfdistill.commands.models import frames_per_clip, load_for_inference
from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.data.sampling import ClipSampler, clip_sampler
from hf_selfdistill.data.transforms import ClipProcessor

__all__ = ["PredictionArguments", "main", "predict"]


@dataclass
class PredictionArguments:
    """Prediction."""

    model_name_or_path: str = field(metadata={"help": "A fine-tuned model: a folder, or a name on the Hub."})
    top_k: int = field(default=5, metadata={"help": "How many classes to show per video."})
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video, their logits averaged."})


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/predict.py`; exit code 1 where some file could not be read."""
    parser = CommandParser(
        PredictionArguments,
        SamplingArguments,
        description="Classify video files.",
        positional=("videos", "Video files."),
    )
    failed = False
    with user_errors():
        args, sampling, videos = parser.parse(argv)
        start_logging()
        if args.top_k < 1:
            raise ValueError(f"--top_k is {args.top_k}; it must be at least 1")
        model, processor = load_for_inference(args.model_name_or_path)
        sampler = clip_sampler(args.num_clips, frames_per_clip(model.config), *sampling_rate(processor, sampling))
        for video in tqdm(videos, disable=len(videos) < 10):
            try:
                scores = predict(video, model, processor, sampler)
            except VideoDecodingError as error:
                failed = True
                tqdm.write(f"error: {error}", file=sys.stderr)
                continue
            tqdm.write(video)
            for score, index in zip(*scores.topk(min(args.top_k, len(scores))), strict=True):
                tqdm.write(f"  {score:6.1%}  {model.config.id2label[int(index)]}")
    sys.exit(1 if failed else 0)


@torch.inference_mode()
def predict(video: str, model: PreTrainedModel, processor: BaseVideoProcessor, sampler: ClipSampler) -> torch.Tensor:
    """Class probabilities `(classes,)` of one video: the softmax of the mean logits of its clips.

    Raises:
        VideoDecodingError: the file can't be read.
    """
    with VideoReader(video) as reader:
        indices = sampler(reader.num_frames, reader.fps)
        frames = reader.read([frame for clip in indices for frame in clip])
    process = ClipProcessor(processor)
    clips = torch.stack([process(clip) for clip in frames.unflatten(0, (len(indices), -1))])
    logits = model(**{model.main_input_name: clips.to(model.device)}).logits.flatten(1)  # (K, classes)
    return logits.float().mean(0).softmax(-1)
