"""Layer-wise learning rates: discriminative fine-tuning (Howard & Ruder, ACL 2018, arXiv 1801.06146)."""

from __future__ import annotations

import torch
from torch import nn

from hf_selfdistill.models.layers import parameter_depths
from hf_selfdistill.regularizers.learning_rates import with_rates

__all__ = ["layerwise"]


def layerwise(optimizer: type[torch.optim.Optimizer], model: nn.Module, decay: float) -> type[torch.optim.Optimizer]:
    """Return the optimizer with the learning rate η · decay^(L − l) at each depth l of L.

    The last linear layer, at depth L, has the rate η. Parameters before the first layer, at depth 0, have the lowest
    rate. See `with_rates`.

    Args:
        optimizer: class of the optimizer.
        model: a classifier; `models.layers.layers_of` finds its layers.
        decay: factor between 0 and 1; 1/2.6 in Howard & Ruder, mostly 0.65 … 0.85 for vision transformers.

    Raises:
        ValueError: the model has no list of layers.
    """
    depths = parameter_depths(model)
    top = max(depths.values())
    return with_rates(optimizer, {own: decay ** (top - depths[name]) for name, own in model.named_parameters()})
