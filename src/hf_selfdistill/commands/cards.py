"""What a run of fine-tuning tells its model card."""

from __future__ import annotations

from pathlib import Path

import datasets
from transformers import BaseVideoProcessor, PreTrainedConfig

from hf_selfdistill.commands.datasets import AugmentationArguments, DatasetArguments
from hf_selfdistill.commands.models import FROM_SCRATCH, ModelArguments, frames_per_clip
from hf_selfdistill.commands.regularization import in_words
from hf_selfdistill.data.fingerprint import fingerprint
from hf_selfdistill.hub.model_card import CardFacts
from hf_selfdistill.regularizers.arguments import RegularizerArguments
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments

__all__ = ["card_facts", "clips_in_words", "protocol", "rate_in_words"]


def protocol(data: DatasetArguments, part: str, num_clips: int, frames: int, stride: int, fps: float | None) -> str:
    """In words, what a figure was measured on."""
    where = f"{data.dataset} split {data.split} {part}"
    return f"{where}, {clips_in_words(num_clips, frames, stride, fps)}, centre crop, mean of logits"


def card_facts(
    model: ModelArguments,
    data: DatasetArguments,
    parts: dict[str, datasets.Dataset],
    augmentation: AugmentationArguments,
    regularizer: RegularizerArguments,
    args: SelfDistillationArguments,
    config: PreTrainedConfig,
    processor: BaseVideoProcessor,
) -> CardFacts:
    """All that is known when the run begins; the processor is the one that is saved with the model."""
    name = model.model_name_or_path
    frames, stride, fps = frames_per_clip(config), processor.frame_stride, processor.target_fps
    root = data.dataset_root or (Path(data.annotations).parent if data.annotations else None)
    return CardFacts(
        base=None if name in FROM_SCRATCH else Path(name).name if Path(name).is_dir() else name,
        dataset=data.dataset,
        split=data.split if data.dataset in ("ucf101", "hmdb51") else None,
        parts={part: (len(records), fingerprint(records, root)) for part, records in parts.items()},
        method=_method(args) | in_words(regularizer),
        hyperparameters={
            "learning rate over the run": args.lr_scheduler_type.value
            if args.epoch_lr_schedule == "none"
            else f"{args.epoch_lr_schedule}, constant within an epoch",
            "label smoothing": f"{args.label_smoothing_factor:g}",
            "class weights": augmentation.class_weights or "none",
            "random crops": f"{augmentation.min_crop_area:g} … 1 of the frame's area",
            "mirrored with probability": f"{augmentation.flip_probability:g}",
            **({"LoRA rank": str(model.lora_rank)} if model.lora_rank is not None else {}),
        },
        clip=f"A clip is {frames} frames, {rate_in_words(stride, fps)}; "
        "the processor saved beside the model makes it.",
        protocol=protocol(data, "validation", augmentation.eval_num_clips, frames, stride, fps),
    )


def clips_in_words(num_clips: int, frames: int, stride: int, fps: float | None) -> str:
    """How many clips of a video are looked at, and which frames make them."""
    return f"{num_clips} clip{'s' if num_clips != 1 else ''} of {frames} frames, {rate_in_words(stride, fps)}"


def rate_in_words(stride: int, fps: float | None) -> str:
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
