"""What a run tells the card of its model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
from transformers import BaseVideoProcessor, PreTrainedConfig

from hf_selfdistill.commands.datasets import AugmentationArguments, DatasetArguments
from hf_selfdistill.models.loading import FROM_SCRATCH
from hf_selfdistill.commands.regularization import in_words
from hf_selfdistill.commands.unlabelled import UnlabelledArguments
from hf_selfdistill.data.datasets import OFFICIAL_SPLITS
from hf_selfdistill.data.fingerprint import fingerprint
from hf_selfdistill.hub.encoder_card import EncoderFacts
from hf_selfdistill.hub.model_card import CardFacts
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.pretraining.objective import Objective
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.training.arguments import VideoTrainingArguments

if TYPE_CHECKING:
    from hf_selfdistill.commands.finetune import FineTuning

__all__ = [
    "against_in_words",
    "card_facts",
    "clips_in_words",
    "encoder_facts",
    "protocol",
    "root_of_names",
]


def protocol(data: DatasetArguments, part: str, num_clips: int, frames: int, stride: int, fps: float | None) -> str:
    """In words, what a figure was measured on."""
    return (
        f"{_data_in_words(data)} {part}, {clips_in_words(num_clips, frames, stride, fps)}, centre crop, mean of logits"
    )


def card_facts(
    asked: FineTuning,
    parts: Mapping[str, datasets.Dataset],
    config: PreTrainedConfig,
    processor: BaseVideoProcessor,
) -> CardFacts:
    """All that is known when a fine-tuning begins; the processor is the one that is saved with the model."""
    name, data, augmentation, args = asked.model.model_name_or_path, asked.data, asked.augmentation, asked.training
    frames, stride, fps = frames_per_clip(config), processor.frame_stride, processor.target_fps
    return CardFacts(
        base=None if name in FROM_SCRATCH else _base(name),
        dataset=data.dataset,
        split=_split(data),
        parts={part: (len(records), fingerprint(records, root_of_names(data))) for part, records in parts.items()},
        method=_method(args) | in_words(asked.regularizer),
        hyperparameters={
            "learning rate over the run": _schedule(args),
            "label smoothing": f"{args.label_smoothing_factor:g}",
            "class weights": augmentation.class_weights or "none",
            **_drawn(augmentation),
            "random crops": f"{augmentation.min_crop_area:g} … 1 of the frame's area",
            "mirrored with probability": f"{augmentation.flip_probability:g}",
            **({"LoRA rank": str(asked.model.lora_rank)} if asked.model.lora_rank is not None else {}),
        },
        clip=_clip(config, processor),
        protocol=protocol(data, "validation", augmentation.eval_num_clips, frames, stride, fps),
    )


def encoder_facts(
    base: str | None,
    data: UnlabelledArguments,
    videos: datasets.Dataset | None,
    objective: Objective,
    args: VideoTrainingArguments,
    processor: BaseVideoProcessor,
) -> EncoderFacts:
    """All that is known when a pre-training begins; the processor is the one that is saved with the encoder.

    Args:
        base: the encoder to go on with; None for random weights.
        data: where the videos come from.
        videos: those that are trained on; None of a stream.
        objective: with its encoder and arguments.
        args: the training arguments.
        processor: of the encoder.
    """
    return EncoderFacts(
        objective=objective.name,
        arguments=objective.arguments_that_count(),
        videos=_videos(data),
        num_videos=None if videos is None else len(videos),
        fingerprint=None if videos is None else fingerprint(videos, root_of_names(data)),
        base=None if base is None else _base(base),
        clip=_clip(objective.config, processor),
        hyperparameters={"learning rate over the run": _schedule(args)},
    )


def _videos(data: UnlabelledArguments) -> str:
    folder = f"`{Path(data.dataset_root or '.').resolve().name}`"
    if data.dataset == "videos":
        return f"Every video below {folder}"
    if data.dataset == "list":
        return f"The videos that `{Path(str(data.annotations)).name}` names"
    if data.dataset == "shards":
        return f"The shards in {folder}, {data.clips_per_epoch} videos an epoch"
    which = _split(data)
    return f"The training part of `{data.dataset}`" + (f", split {which}" if which is not None else "")


def _split(data: DatasetArguments | UnlabelledArguments) -> int | None:
    """Which of the official splits, of a data set that has several."""
    return data.split if data.dataset in OFFICIAL_SPLITS else None


def _data_in_words(data: DatasetArguments) -> str:
    return f"{data.dataset} split {data.split}" if _split(data) is not None else data.dataset


def against_in_words(data: DatasetArguments, part: str, known: int, gallery: str) -> str:
    """What was asked of which videos that the features are compared with.

    Args:
        data: the data set.
        part: of it, that was asked.
        known: how many videos there are to compare with, without the unreadable ones.
        gallery: what those are called.
    """
    return f"{_data_in_words(data)}, {part} against {known} videos of {gallery}"


def root_of_names(data: DatasetArguments | UnlabelledArguments) -> str | Path | None:
    """The folder that names of videos are relative to where they are hashed."""
    if data.dataset_root is None and data.annotations is None and Path(data.dataset).is_dir():
        return data.dataset
    return data.dataset_root or (Path(data.annotations).parent if data.annotations else None)


def _drawn(augmentation: AugmentationArguments) -> dict[str, str]:
    """How training videos were drawn, where they are not all."""
    share, most = augmentation.label_fraction, augmentation.max_train_samples
    rows = {"labelled videos used": f"{100 * share:g} % of each class"} if share != 1 else {}
    return rows | ({"training videos drawn": f"{most} at most"} if most is not None else {})


def _base(name: str) -> str:
    return Path(name).name if Path(name).is_dir() else name


def _schedule(args: VideoTrainingArguments) -> str:
    by_step = args.epoch_lr_schedule == "none"
    return args.lr_scheduler_type.value if by_step else f"{args.epoch_lr_schedule}, constant within an epoch"


def _clip(config: PreTrainedConfig, processor: BaseVideoProcessor) -> str:
    rate = _rate_in_words(processor.frame_stride, processor.target_fps)
    return f"A clip is {frames_per_clip(config)} frames, {rate}; the processor saved beside the model makes it."


def clips_in_words(num_clips: int, frames: int, stride: int, fps: float | None) -> str:
    """How many clips of a video are looked at, and which frames make them."""
    return f"{num_clips} clip{'s' if num_clips != 1 else ''} of {frames} frames, {_rate_in_words(stride, fps)}"


def _rate_in_words(stride: int, fps: float | None) -> str:
    """Which frames make a clip."""
    return f"stride {stride}" if fps is None else f"stride {stride} at {fps:g} fps"


def _method(args: SelfDistillationArguments) -> dict[str, str]:
    if args.distill_weight == 0:
        return {"λ": "0"}
    renewed = {
        "epoch": "at the beginning of every epoch",
        "steps": f"every {args.teacher_update_steps} steps",
        "ema": f"after every step, as a moving average of decay {args.teacher_ema_decay:g}",
        "frozen": "never",
    }
    return {
        "λ": f"{args.distill_weight:g}",
        "λ over the run": args.distill_weight_schedule,
        "distance over the feature dimensions": args.distill_reduction,
        "unit-length features": "yes" if args.distill_normalize else "no",
        "teacher renewed": renewed[args.teacher_update],
        "teacher's BatchNorm": f"{args.teacher_norm} statistics",
    }
