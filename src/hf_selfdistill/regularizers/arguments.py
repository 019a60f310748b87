"""Which way of keeping an encoder near what it was, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from hf_selfdistill.training.arguments import check_choice

__all__ = ["REGULARIZERS", "RegularizerArguments"]

Regularizer = Literal["self_distillation", "l2_sp", "layerwise_lr_decay", "linear_probe", "wise_ft"]
REGULARIZERS: tuple[str, ...] = get_args(Regularizer)


@dataclass
class RegularizerArguments:
    """Regularizer.

    A lower learning rate, the simplest rival, is `learning_rate` with `distill_weight` 0.

    Args:
        regularizer: `"self_distillation"` (the paper; plain fine-tuning with `distill_weight` 0), or one of
            its rivals, each described in the module of its name.
        l2_sp_weight: α of L2-SP.
        layer_lr_decay: factor of the learning rate from each layer to the one below it.
        wise_ft_weights: shares of the fine-tuned weights in the averages that WiSE-FT writes; the first one's is the
            model of the run.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    regularizer: Literal["self_distillation", "l2_sp", "layerwise_lr_decay", "linear_probe", "wise_ft"] = field(
        default="self_distillation",
        metadata={"help": "What keeps the encoder near what it was:"},
    )
    l2_sp_weight: float = field(default=0.1, metadata={"help": "α of --regularizer l2_sp."})
    layer_lr_decay: float = field(
        default=0.75,
        metadata={"help": "With --regularizer layerwise_lr_decay: a layer's rate over that of the layer above it."},
    )
    wise_ft_weights: list[float] = field(
        default_factory=lambda: [0.5, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9],
        metadata={
            "help": "Shares of the fine-tuned weights in the averages of --regularizer wise_ft; the first is kept."
        },
    )

    def __post_init__(self) -> None:
        """Check names and ranges."""
        check_choice("regularizer", self.regularizer, REGULARIZERS)
        if not self.l2_sp_weight >= 0:
            raise ValueError(f"l2_sp_weight is {self.l2_sp_weight}; α must be 0 or positive")
        if not 0 < self.layer_lr_decay <= 1:
            raise ValueError(f"layer_lr_decay is {self.layer_lr_decay}; it must lie between 0 (not itself) and 1")
        wrong = [weight for weight in self.wise_ft_weights if not 0 <= weight <= 1]
        if wrong or not self.wise_ft_weights:
            raise ValueError(f"wise_ft_weights are {self.wise_ft_weights}; give shares between 0 and 1")
