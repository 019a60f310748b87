"""Descriptions of a training for the model card and the report."""

from __future__ import annotations

from typing import Any

from transformers import TrainerState

from hf_selfdistill.training.arguments import ClassificationArguments, VideoTrainingArguments

__all__ = ["describe_clip_drawing", "describe_hyperparameters"]


def describe_hyperparameters(args: VideoTrainingArguments, state: TrainerState) -> dict[str, str]:
    """Return the settings and the progress of the optimisation, name → value as text."""
    precision = "bfloat16 autocast" if args.bf16 else "float16 autocast" if args.fp16 else "float32"
    by_step = args.epoch_lr_schedule == "none"
    schedule = args.lr_scheduler_type.value if by_step else f"{args.epoch_lr_schedule}, constant within an epoch"
    rows: dict[str, Any] = {
        "optimiser": str(args.optim.value) + (f" ({args.optim_args})" if args.optim_args else ""),
        "learning rate": f"{args.learning_rate:g}",
        "learning rate over the run": schedule,
        "weight decay": f"{args.weight_decay:g}",
        "gradient norm clipped at": f"{args.max_grad_norm:g}" if args.max_grad_norm else "not clipped",
        "epochs": f"{state.epoch or 0:g} of {state.num_train_epochs}",
        "steps": f"{state.global_step} of {state.max_steps}",
        "videos per step": args.train_batch_size * args.gradient_accumulation_steps * args.world_size,
        "processes": args.world_size,
        "precision": precision,
        "seed": args.seed,
    }
    return {name: str(value) for name, value in rows.items()}


def describe_clip_drawing(args: ClassificationArguments) -> dict[str, str]:
    """Return the settings of training clips and of their weights, name → value as text."""
    return {
        "label smoothing": f"{args.label_smoothing_factor:g}",
        "class weights": args.class_weights or "none",
        "random crops": f"{args.min_crop_area:g} … 1 of the frame's area",
        **({"MixUp or CutMix, α": f"{args.mixup_alpha:g}"} if args.mixup_alpha else {}),
        "mirrored with probability": f"{args.flip_probability:g}",
    }
