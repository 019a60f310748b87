"""Arguments of training on video, whatever the loss."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sized
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import TrainingArguments
from transformers.trainer_pt_utils import AcceleratorConfig

from hf_selfdistill.training.schedule import EPOCH_SCHEDULES

__all__ = [
    "ClassificationArguments",
    "VideoTrainingArguments",
    "check_choice",
    "check_evaluation",
    "check_fraction",
    "check_full_eval",
    "check_metric",
    "check_positive",
    "device_values",
    "given_values",
]


SECRET = ("hub_token", "push_to_hub_token")


def check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Refuse a value that is not among the allowed ones.

    Raises:
        ValueError: the value is not allowed; the message names the argument, the value and the allowed values.
    """
    if value not in allowed:
        raise ValueError(f"`{name}` is {value!r}; allowed are {', '.join(map(repr, allowed))}")


def check_positive(name: str, value: float | None) -> None:
    """Refuse a number that is not above 0; None is allowed.

    Raises:
        ValueError: the number is 0 or negative.
    """
    if value is not None and not value > 0:
        raise ValueError(f"`{name}` is {value:g}; it must be positive")


def check_fraction(name: str, value: float) -> None:
    """Refuse a number outside of 0 … 1.

    Raises:
        ValueError: the number is negative or above 1.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` is {value:g}; it must lie between 0 and 1")


def check_evaluation(args: TrainingArguments, videos: Any) -> None:
    """Refuse, with a ValueError, an evaluation without videos."""
    if args.eval_strategy != "no" and (videos is None or (isinstance(videos, Sized) and not len(videos))):
        raise ValueError(
            f"`eval_strategy` is {args.eval_strategy.value}, but there are no validation videos; set it to no, or "
            "keep some training videos for validation (`validation_fraction`)"
        )


def check_full_eval(args: TrainingArguments) -> None:
    """Refuse, with a ValueError, an evaluation that casts the model alone."""
    for name in ("bf16_full_eval", "fp16_full_eval"):
        if getattr(args, name):
            raise ValueError(f"`{name}` casts the model and not the clips; set `{name[:4]}` instead, or omit it")


def check_metric(args: TrainingArguments, names: Iterable[str]) -> None:
    """Refuse to choose the best model by a metric that is not measured.

    Args:
        args: arguments of the training, with `metric_for_best_model`.
        names: metrics that an evaluation measures besides the loss.

    Raises:
        ValueError: there is no such metric; the message suggests a similar one.
    """
    allowed = ["loss", *names]
    metric = (args.metric_for_best_model or "loss").removeprefix("eval_")
    if metric not in allowed:
        near = get_close_matches(metric, allowed, 1) or allowed[1:2]
        raise ValueError(
            f"`metric_for_best_model` is {args.metric_for_best_model!r}; allowed are {', '.join(allowed)}"
            + (f"; did you mean {near[0]}?" if near else "")
        )


def device_values(args: TrainingArguments) -> dict[str, Any]:
    """Return the arguments that a second trainer takes over: where and how fast it computes."""
    names = ("per_device_eval_batch_size", "dataloader_num_workers", "bf16", "use_cpu")
    return {name: getattr(args, name) for name in names}


def given_values(args: Any) -> dict[str, Any]:
    """Return the fields of a dataclass of arguments that differ from their defaults, as JSON takes them.

    transformers fills in some fields after construction (`report_to` "none" becomes []); such a value counts as the
    default. The Hub's token is left out.
    """
    given = {}
    for own in fields(args):
        if own.init and own.name not in SECRET:
            default = own.default_factory() if own.default_factory is not MISSING else own.default
            value = _as_json(getattr(args, own.name))
            if _normal(value) != _normal(_as_json(default)):
                given[own.name] = value
    return given


def _as_json(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, AcceleratorConfig):
        own = value.to_dict()
        return {name: of for name, of in own.items() if of != AcceleratorConfig().to_dict()[name]}
    if isinstance(value, list | tuple):
        return [_as_json(element) for element in value]
    return str(value) if isinstance(value, Path) else value


def _normal(value: Any) -> Any:
    empty = value is None or value is False or value in ("", "none") or (isinstance(value, list | dict) and not value)
    return None if empty else value


@dataclass
class VideoTrainingArguments(TrainingArguments):
    """Training on video.

    Defaults that differ from transformers': a log every 10 steps, and all columns of a data set are kept.

    Args:
        frame_stride: take every n-th frame of a video; by default as the model was trained, else 1.
        target_fps: draw clips at this frame rate; by default as the model was trained, else each video's own.
        max_unreadable: allowed share of unreadable videos, 0 … 1. Unreadable videos are left out and listed.
        sync_batch_norm: compute BatchNorm's statistics over the clips of all processes, in the teacher too. By
            default each process normalises with its own clips. Needs GPUs.
        epoch_lr_schedule: learning rate schedule that is constant within an epoch, as in released recipes, see
            `epoch_schedule`; `"none"` uses `lr_scheduler_type`, per step.
        weight_decay: decay of every parameter of C3D and R(2+1)D, and of the parameters that transformers chooses in
            other models.
        on_nan: `"stop"` ends a run whose loss is not finite, before another checkpoint is written; `"warn"` goes on.
        log_format: `"table"` prints one row per epoch; `"raw"` prints every log as a dictionary, as transformers does.
        resume_from_checkpoint: a checkpoint's folder, `"true"` for the last one in `output_dir`, `"false"` to start
            over where a run was interrupted, or `user/model` on the Hub.
        overwrite_output_dir: replace the finished model, or the interrupted run, that `output_dir` holds.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    frame_stride: int | None = field(
        default=None, metadata={"help": "Take every n-th frame; by default as the model was trained, else 1."}
    )
    target_fps: float | None = field(
        default=None,
        metadata={"help": "Draw clips at this frame rate; by default as the model was trained, else the video's own."},
    )
    max_unreadable: float = field(
        default=0.05, metadata={"help": "Share of videos that can be unreadable; they are left out and listed."}
    )
    sync_batch_norm: bool = field(
        default=False, metadata={"help": "Compute BatchNorm statistics over the clips of all processes (GPUs only)."}
    )
    epoch_lr_schedule: Literal["none", "cosine", "multi_step", "thirds"] = field(
        default="none", metadata={"help": "A learning rate constant within an epoch, instead of --lr_scheduler_type."}
    )
    weight_decay: float = field(
        default=0.0,
        metadata={
            "help": "Weight decay; of C3D and R(2+1)D on every parameter, of other models as transformers chooses."
        },
    )
    resume_from_checkpoint: str | None = field(
        default=None,
        metadata={
            "help": "A checkpoint's folder; true: the last one of --output_dir; false: start over; or user/model on "
            "the Hub."
        },
    )
    overwrite_output_dir: bool = field(
        default=False, metadata={"help": "Replace the finished model, or the interrupted run, in --output_dir."}
    )
    logging_steps: float = field(default=10, metadata={"help": "Log every n steps."})
    on_nan: Literal["stop", "warn"] = field(
        default="stop", metadata={"help": "End a run whose loss is not finite, or warn and go on."}
    )
    log_format: Literal["table", "raw"] = field(
        default="table", metadata={"help": "Print one row per epoch, or every log as a dictionary."}
    )
    dataloader_pin_memory: bool = field(
        default_factory=torch.cuda.is_available, metadata={"help": "Pin the memory of batches; by default with a GPU."}
    )
    # The Trainer would drop the columns that the clips are read from.
    remove_unused_columns: bool = field(default=False, metadata={"help": "Drop columns the model does not take."})

    def __post_init__(self) -> None:
        """Check our own arguments before transformers checks its own."""
        check_positive("frame_stride", self.frame_stride)
        check_positive("target_fps", self.target_fps)
        check_fraction("max_unreadable", self.max_unreadable)
        given = (self.optim_args or "").replace(" ", "")
        if given and not re.fullmatch(r"\w+=[^=,]+(,\w+=[^=,]+)*", given):
            raise ValueError(
                f"`optim_args` is {self.optim_args!r}; give name=value[,name=value], such as momentum=0.9"
            )
        check_choice("on_nan", self.on_nan, ("stop", "warn"))
        check_choice("log_format", self.log_format, ("table", "raw"))
        check_choice("epoch_lr_schedule", self.epoch_lr_schedule, ("none", *EPOCH_SCHEDULES))
        if self.num_train_epochs < 0:
            raise ValueError(f"`num_train_epochs` is {self.num_train_epochs:g}; it must be 0 or positive")
        whole_epochs = self.max_steps <= 0 and float(self.num_train_epochs).is_integer()
        if self.epoch_lr_schedule != "none" and not (whole_epochs and self.warmup_steps == 0):
            raise ValueError(
                f"`epoch_lr_schedule` is {self.epoch_lr_schedule!r}, which needs whole epochs and no warm-up, but "
                f"`num_train_epochs` is {self.num_train_epochs}, `max_steps` {self.max_steps} and `warmup_steps` "
                f'{self.warmup_steps}; change them, or set `epoch_lr_schedule` to "none"'
            )
        if self.neftune_noise_alpha is not None:
            raise ValueError("`neftune_noise_alpha` adds noise to the embeddings of words; a video has none: omit it")
        super().__post_init__()


@dataclass
class ClassificationArguments(VideoTrainingArguments):
    """Training and validation clips.

    Args:
        min_crop_area: smallest random crop of a training clip, as a share of the frame's area.
        flip_probability: probability that a training clip is mirrored; 0 where left and right are part of the class.
        mixup_alpha: mix the training clips of each batch by MixUp or CutMix, with shares drawn from Beta(α, α); 0
            mixes nothing. Teacher and student see the same mixed clips.
        eval_num_clips: clips per video in validation; 1 is the centre.
        class_weights: `"balanced"` weighs each class by the inverse of its frequency.
        keep_best: `"validation"` and `"test"`: keep the model of the epoch with the highest video top-1 on that part
            in `best-on-<part>/`. RSPNet's released code chooses on the test part, which flatters.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    min_crop_area: float = field(
        default=0.25, metadata={"help": "Smallest random crop of a training clip, as a share of the frame."}
    )
    flip_probability: float = field(
        default=0.5,
        metadata={"help": "Probability that a clip is mirrored; 0 where left and right are part of the class."},
    )
    mixup_alpha: float = field(
        default=0.0, metadata={"help": "Mix training clips by MixUp or CutMix, shares from Beta(α, α); 0: not."}
    )
    eval_num_clips: int = field(default=1, metadata={"help": "Clips per video in validation; 1 is the centre."})
    class_weights: Literal["balanced"] | None = field(
        default=None, metadata={"help": "Weigh rare classes more, by the inverse of their frequency:"}
    )
    keep_best: list[str] = field(
        default_factory=list,
        metadata={
            "help": "validation, test or both: keep the model of the epoch with the highest top-1 on that part in "
            "best-on-<part>/, besides the last epoch's; test as RSPNet's released code chooses, which flatters."
        },
    )

    def __post_init__(self) -> None:
        """Check our own arguments first."""
        check_fraction("min_crop_area", self.min_crop_area)
        check_fraction("flip_probability", self.flip_probability)
        if not self.mixup_alpha >= 0:
            raise ValueError(f"`mixup_alpha` is {self.mixup_alpha:g}; it must be 0 (clips are not mixed) or positive")
        check_positive("eval_num_clips", self.eval_num_clips)
        for part in self.keep_best:
            check_choice("keep_best", part, ("validation", "test"))
        if self.keep_best and self.eval_strategy == "no":
            raise ValueError(
                f"`keep_best` {' '.join(self.keep_best)} compares epochs when the validation part is evaluated; set "
                "`eval_strategy` epoch"
            )
        if self.keep_best and self.prediction_loss_only:
            raise ValueError(
                f"`keep_best` {' '.join(self.keep_best)} compares accuracies, which `prediction_loss_only` leaves "
                "out; omit one of them"
            )
        super().__post_init__()
