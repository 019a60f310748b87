"""Pre-train an encoder on videos without labels."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Optional

import transformers
from accelerate.utils import gather_object
from transformers import AutoModel, BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.cli.parser import CommandParser, config_flags, fit_workers, start_logging, user_errors
from hf_selfdistill.commands.cards import encoder_facts
from hf_selfdistill.training.checkpoints import settle_checkpoint
from hf_selfdistill.commands.datasets import SamplingArguments, sampling_rate
from hf_selfdistill.models.loading import from_scratch, in_its_memory_format, load_encoder, refuse_overrides
from hf_selfdistill.training.trackers import check_trackers, name_alike
from hf_selfdistill.commands.training import (
    DEFAULTS,
    MOST_USED,
    check_whole_batch,
    finish,
    watch_uploads,
)
from hf_selfdistill.commands.unlabelled import UnlabelledArguments
from hf_selfdistill.data.callbacks import EpochCallback, UnreadableVideosCallback
from hf_selfdistill.data.findings import VideoFindings
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips, UnlabelledClips
from hf_selfdistill.training.citations import PRETRAINED_BY
from hf_selfdistill.hub.encoder_card import EncoderCardCallback
from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.objectives import OBJECTIVES
from hf_selfdistill.pretraining.trainer import PretrainingTrainer

__all__ = ["EncoderArguments", "build_trainer", "main", "parser"]

logger = logging.getLogger(__name__)

FINDINGS = "_video_findings"
"""In the output folder, of shards: videos that can't be read or are short. Names with _ are not uploaded."""


@dataclass
class EncoderArguments:
    """Encoder and objective."""

    objective: Literal["rspnet", "pace", "space_time_cubes", "motion_appearance"] = field(
        metadata={"help": "What it is trained on; with --help, shows the objective's own flags."}
    )
    model_type: Literal["c3d", "r2plus1d"] | None = field(
        default=None, metadata={"help": "An encoder with random weights."}
    )
    model_name_or_path: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "Instead: an encoder to go on with, a folder or a name on the Hub."}
    )
    config_overrides: Optional[str] = field(  # noqa: UP045
        default=None, metadata={"help": "With --model_type: hidden_sizes=16,32,64,128,128,image_size=48,num_frames=8."}
    )

    def __post_init__(self) -> None:
        """Exactly one of two."""
        if (self.model_type is None) == (self.model_name_or_path is None):
            raise ValueError("give --model_type c3d or r2plus1d, or --model_name_or_path of an encoder to go on with")

    def load(self) -> tuple[PreTrainedModel, BaseVideoProcessor]:
        """The encoder, and the processor of its clips.

        Raises:
            ValueError: an override is wrong, or the model is no encoder for the objectives.
            OSError: there is no such model.
        """
        if self.model_type is not None:
            config, processor = from_scratch(self.model_type, self.config_overrides)
            return in_its_memory_format(AutoModel.from_config(config)), processor
        name = str(self.model_name_or_path)
        refuse_overrides(name, self.config_overrides)
        return load_encoder(name)


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/pretrain.py`."""
    with user_errors():
        words = list(sys.argv[1:] if argv is None else argv)
        encoder, unlabelled, sampling, args, *objective = parser(words).parse(words)
        start_logging(args)
        fit_workers(args)
        trainer, unreadable = build_trainer(encoder, unlabelled, sampling, args, *objective)
        run(trainer, unreadable)


def parser(words: list[str]) -> CommandParser:
    """With the flags of the objective that the words name."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--objective", nargs="?")  # what is wrong with it, the whole parser says in one line
    name = first.parse_known_args(config_flags(words) + words)[0].objective
    own = [OBJECTIVES[name].Arguments] if name in OBJECTIVES else []
    return CommandParser(
        EncoderArguments,
        UnlabelledArguments,
        SamplingArguments,
        PretrainingArguments,
        *own,
        description="Pre-train an encoder on videos without labels.",
        defaults=DEFAULTS,
        most_used=MOST_USED,
    )


def build_trainer(
    encoder_args: EncoderArguments,
    data: UnlabelledArguments,
    sampling: SamplingArguments,
    args: PretrainingArguments,
    objective_args: Any,
) -> tuple[PretrainingTrainer, UnreadableVideosCallback]:
    """Everything in place, nothing trained yet; raises ValueError or OSError where something is wrong."""
    check_trackers(args)
    transformers.set_seed(args.seed)
    encoder, processor = encoder_args.load()
    settle_checkpoint(args, encoder.config)
    setattr(encoder.config, PRETRAINED_BY, encoder_args.objective)  # for the model cards of what is made of it
    processor.frame_stride, processor.target_fps = sampling_rate(processor, sampling)  # saved with the model
    objective = OBJECTIVES[encoder_args.objective](encoder, objective_args)
    findings = VideoFindings(Path(args.output_dir) / FINDINGS)
    with args.main_process_first(desc="loading the data set"):
        train, validation = data.load(objective.views(processor), args.seed, findings)
    check_whole_batch(len(train), args)
    listed = [clips for clips in (train, validation) if isinstance(clips, UnlabelledClips)]
    unreadable = UnreadableVideosCallback(*listed, most=data.max_unreadable)
    videos = train.records if isinstance(train, UnlabelledClips) else None
    base = encoder_args.model_name_or_path
    card = EncoderCardCallback(encoder_facts(base, data, videos, objective, args, processor))
    trainer = PretrainingTrainer(
        objective,
        args,
        train_dataset=train,
        eval_dataset=validation if len(validation) else None,
        processing_class=processor,
        callbacks=[EpochCallback(train), unreadable, card],
        model_card=card.write,
    )
    name_alike(trainer)
    watch_uploads(trainer)
    return trainer, unreadable


def run(trainer: PretrainingTrainer, unreadable: UnreadableVideosCallback) -> None:
    """Train, and hand over the encoder."""
    if isinstance(trainer.train_dataset, StreamedUnlabelledClips) and not trainer.args.resume_from_checkpoint:
        _clear(trainer.train_dataset, trainer.args)
    metrics = trainer.train(resume_from_checkpoint=trainer.args.resume_from_checkpoint).metrics
    clips = trainer.train_dataset
    finish(trainer, unreadable, metrics, lambda: _findings(clips, unreadable), "pre-trained encoder")


def _clear(clips: StreamedUnlabelledClips, args: PretrainingArguments) -> None:
    """Forget what an earlier run found; once on each machine, before any process reads."""
    assert clips.findings is not None
    with args.main_process_first(desc="clearing the findings of an earlier run"):
        if args.local_process_index == 0:
            clips.findings.clear()


def _findings(
    clips: UnlabelledClips | StreamedUnlabelledClips, unreadable: UnreadableVideosCallback
) -> dict[str, Any]:
    """Over all processes, which videos can't be read and why, and how many are short; says so where there are any."""
    if isinstance(clips, UnlabelledClips):
        failures, short = unreadable.failures(), len(set(gather_object(clips.short_indices())))
        of = str(len(clips))
    else:
        assert clips.findings is not None
        left_out, short_ones = (
            dict(gather_object(list(clips.findings.read(kind).items()))) for kind in ("unreadable", "short")
        )
        failures = [{"video": video, "reason": reason} for video, reason in sorted(left_out.items())]
        short, of = len(short_ones), "the streamed"
        if failures:
            logger.info("%d of the streamed videos can't be read: see %s", len(failures), clips.findings.folder)
    if short:
        logger.info("%d of %s videos are shorter than %d frames and repeat", short, of, clips.views.span)
    return {"unreadable": failures, "short_videos": short}
