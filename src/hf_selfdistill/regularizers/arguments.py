"""Arguments that choose a regularizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from hf_selfdistill.training.arguments import check_choice, check_fraction, check_positive

__all__ = ["REGULARIZERS", "RegularizerArguments"]

Regularizer = Literal[
    "self_distillation",
    "l2_sp",
    "encoder_lr",
    "layerwise_lr_decay",
    "linear_probe",
    "lp_ft",
    "ps_kd",
    "ema",
    "swa",
    "wise_ft",
]
REGULARIZERS: tuple[str, ...] = get_args(Regularizer)


@dataclass
class RegularizerArguments:
    """Regularizer.

    A lower learning rate, the simplest rival, is `learning_rate` with `distill_weight` 0.

    Args:
        regularizer: `"self_distillation"` (the paper; `distill_weight` 0 is plain fine-tuning) or one of its rivals,
            each described in the module of the same name (`"ema"` and `"swa"` in `run_average`). `"lp_ft"` is plain
            fine-tuning with `head_init` `"linear_probe"` (Kumar et al., ICLR 2022, arXiv 2202.10054).
        head_init: start of the head: random weights, or a linear probe fitted to the features of the training videos
            before fine-tuning. It can be combined with any regularizer.
        l2_sp_weight: α of L2-SP.
        encoder_lr_share: learning rate of the encoder over that of the head, 0 … 1.
        layer_lr_decay: learning rate of a layer over the learning rate of the layer above, at most 1.
        ps_kd_weight: α of PS-KD, the share of the soft targets in the last epoch, 0 … 1.
        ema_decay: decay of the EMA of the weights per optimiser step, 0 … 1.
        swa_start: share of the run before SWA begins, 0 … 1.
        wise_ft_weights: shares of the fine-tuned weights in the averages of WiSE-FT. The first average becomes the
            model of the run.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    regularizer: Regularizer = field(
        default="self_distillation", metadata={"help": "Method that keeps the encoder near its pre-trained state:"}
    )
    head_init: Literal["random", "linear_probe"] = field(
        default="random", metadata={"help": "Start of the head; a linear probe is fitted before fine-tuning:"}
    )
    l2_sp_weight: float = field(default=0.1, metadata={"help": "α of --regularizer l2_sp."})
    encoder_lr_share: float = field(
        default=0.1, metadata={"help": "With --regularizer encoder_lr: the encoder's learning rate over the head's."}
    )
    layer_lr_decay: float = field(
        default=0.75,
        metadata={
            "help": "With --regularizer layerwise_lr_decay: a layer's learning rate over that of the layer above."
        },
    )
    ps_kd_weight: float = field(
        default=0.8, metadata={"help": "With --regularizer ps_kd: share of the soft targets in the last epoch."}
    )
    ema_decay: float = field(default=0.99, metadata={"help": "With --regularizer ema: decay per optimiser step."})
    swa_start: float = field(
        default=0.75, metadata={"help": "With --regularizer swa: share of the run before averaging begins."}
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
        check_choice("head_init", self.head_init, ("random", "linear_probe"))
        check_positive("layer_lr_decay", self.layer_lr_decay)
        for name in ("layer_lr_decay", "encoder_lr_share", "ps_kd_weight", "ema_decay", "swa_start"):
            check_fraction(name, getattr(self, name))
        if not self.wise_ft_weights:
            raise ValueError("`wise_ft_weights` is empty; give at least one number between 0 and 1")
        for weight in self.wise_ft_weights:
            check_fraction("wise_ft_weights", weight)

    @property
    def starts_from_probe(self) -> bool:
        """True if the head starts from a linear probe."""
        return self.regularizer == "lp_ft" or self.head_init == "linear_probe"
