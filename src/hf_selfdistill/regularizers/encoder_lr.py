"""A lower learning rate of the encoder than of the head."""

from __future__ import annotations

import torch
from torch import nn

from hf_selfdistill.models.features import last_layer
from hf_selfdistill.regularizers.learning_rates import with_rates

__all__ = ["slower_encoder"]


def slower_encoder(
    optimizer: type[torch.optim.Optimizer], model: nn.Module, share: float
) -> type[torch.optim.Optimizer]:
    """Return the optimizer with the learning rate η for the last linear layer and share · η for the encoder.

    With a share of 0 the weights of the encoder stay, and the running statistics of BatchNorm move. See `with_rates`.

    Args:
        optimizer: class of the optimizer.
        model: a classifier.
        share: learning rate of the encoder over that of the head, 0 … 1.
    """
    head = set(last_layer(model).parameters())
    return with_rates(optimizer, {own: 1.0 if own in head else share for own in model.parameters()})
