"""What every card that training writes has in common: when it is written, and what of the run it tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from transformers import PreTrainedConfig, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.models import C3DConfig, R2Plus1DConfig

__all__ = ["OURS", "CardCallback", "hyperparameters", "on_the_hub"]

OURS = (C3DConfig.model_type, R2Plus1DConfig.model_type)
"""Encoders that transformers knows by this package, which their cards say."""


class CardCallback(TrainerCallback, ABC):
    """Writes the card, README.md, into the output folder before each upload.

    Hand its `write` to the trainer as `model_card` too, for `create_model_card`.
    """

    def on_push_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any, **kwargs: Any
    ) -> None:
        """The card of the run so far."""
        if state.is_world_process_zero:
            self.write(args, state, model.config)

    @abstractmethod
    def write(self, args: TrainingArguments, state: TrainerState, config: PreTrainedConfig, **metadata: Any) -> None:
        """Write README.md and, where there is something to draw, its picture.

        Args:
            args: of the run.
            state: of the run; its log has the figures.
            config: of the model.
            **metadata: `license`, `language`, `tags`, as `Trainer.create_model_card` takes them.
        """


def on_the_hub(base: str | None) -> str | None:
    """A base that is a name on the Hub; None of one in words."""
    return base if base is not None and base.count("/") == 1 and " " not in base else None


def hyperparameters(args: TrainingArguments, state: TrainerState) -> dict[str, str]:
    """How the optimiser is set and what it has done so far, name → value in words."""
    precision = "bfloat16 autocast" if args.bf16 else "float16 autocast" if args.fp16 else "float32"
    rows: dict[str, Any] = {
        "optimiser": str(args.optim.value) + (f" ({args.optim_args})" if args.optim_args else ""),
        "learning rate": f"{args.learning_rate:g}",
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
