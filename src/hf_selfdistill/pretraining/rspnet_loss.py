"""The two terms of RSPNet (Chen et al., AAAI 2021), as the released code computes them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["instance_logits", "instance_loss", "speed_loss"]


def instance_logits(query: Tensor, key: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """Similarities of a query to its key and to the queue, divided by the temperature: `(clips, 1 + K)`.

    Args:
        query: unit-length embeddings `(clips, dim)`.
        key: of other clips of the same videos, `(clips, dim)`.
        queue: of clips of other videos, `(K, dim)`.
        temperature: τ.
    """
    positive = (query * key).sum(1, keepdim=True)
    with torch.autocast(query.device.type, enabled=False):  # over τ they are too large for half precision
        negatives = query @ queue.T
    return torch.cat([positive, negatives], dim=1) / temperature


def instance_loss(logits: Tensor) -> Tensor:
    """Cross-entropy of telling the key, the first of `logits`, from the queue (A-VID); scalar."""
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))


def speed_loss(same: Tensor, other: Tensor, margin: float) -> Tensor:
    """Mean of max(0, margin − (same − other)) (RSP): clips of one speed should be more alike than clips of two.

    Args:
        same: similarity to the key of the query's speed, divided by the temperature, `(clips,)`.
        other: to the key of the other speed.
        margin: γ; 2.0 at τ = 0.07 is 0.14 in cosines.
    """
    return F.margin_ranking_loss(same, other, torch.ones_like(same), margin)
