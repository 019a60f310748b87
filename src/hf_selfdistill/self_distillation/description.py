"""A description of the method for people: what the model card and the report show."""

from __future__ import annotations

from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments

__all__ = ["describe_method"]


def describe_method(args: SelfDistillationArguments) -> dict[str, str]:
    """Return λ and the teacher, name → value as text."""
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
        "scale of the distance": {
            "none": "none",
            "unit": "unit-length features",
            "variance": "variance of the teacher's features over clips",
        }[args.distill_scale],
        "teacher renewed": renewed[args.teacher_update],
        "teacher's BatchNorm": f"{args.teacher_norm} statistics",
    }
