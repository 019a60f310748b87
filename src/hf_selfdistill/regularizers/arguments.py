"""Arguments that choose a regularizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from hf_selfdistill.training.arguments import check_choice, check_fraction, check_positive

__all__ = ["REGULARIZERS", "RegularizerArguments"]

Regularizer = Literal["self_distillation", "l2_sp", "layerwise_lr_decay", "linear_probe", "wise_ft"]
REGULARIZERS: tuple[str, ...] = get_args(Regularizer)


@dataclass
class RegularizerArguments:
    """Regularizer.

    A lower learning rate, the simplest rival, is `learning_rate` with `distill_weight` 0.

    Args:
        regularizer: `"self_distillation"` (the paper; `distill_weight` 0 is plain fine-tuning) or one of its rivals,
            each described in the module of the same name.
        l2_sp_weight: α of L2-SP.
        layer_lr_decay: learning rate of a layer over the learning rate of the layer above, at most 1.
        wise_ft_weights: shares of the fine-tuned weights in the averages of WiSE-FT. The first average becomes the
            model of the run.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    regularizer: Regularizer = field(
        default="self_distillation", metadata={"help": "Method that keeps the encoder near its pre-trained state:"}
    )
    l2_sp_weight: float = field(default=0.1, metadata={"help": "α of --regularizer l2_sp."})
    layer_lr_decay: float = field(
        default=0.75,
        metadata={
            "help": "With --regularizer layerwise_lr_decay: a layer's learning rate over that of the layer above."
        },
    )
    wise_ft_weights: list[float] = field(
        default_factory=lambda: [0.5, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9],
        metadata={
            "help": "With --regularizer wise_ft: shares of the fine-tuned weights in the averages; the first is kept."
        },
    )

    def __post_init__(self) -> None:
        """Check names and ranges."""
        check_choice("regularizer", self.regularizer, REGULARIZERS)
        if not self.l2_sp_weight >= 0:
            raise ValueError(f"`l2_sp_weight` is {self.l2_sp_weight}; it must not be negative")
        check_positive("layer_lr_decay", self.layer_lr_decay)
        check_fraction("layer_lr_decay", self.layer_lr_decay)
        if not self.wise_ft_weights:
            raise ValueError("`wise_ft_weights` is empty; give at least one number between 0 and 1")
        for weight in self.wise_ft_weights:
            check_fraction("wise_ft_weights", weight)
