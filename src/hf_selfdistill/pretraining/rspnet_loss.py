"""The two terms of RSPNet (Chen et al., AAAI 2021), as the released code computes them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["instance_logits", "instance_loss", "speed_loss"]


def instance_logits(query: Tensor, key: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """Return the similarities of queries to their keys and to the queue, divided by the temperature.

    Args:
        query: unit-length embeddings `(clips, dim)`.
        key: unit-length embeddings `(clips, dim)` of other clips of the same videos.
        queue: unit-length embeddings `(K, dim)` of clips of other videos.
        temperature: τ.

    Returns:
        `(clips, 1 + K)`; the first column is the similarity to the key.
    """
    positive = (query * key).sum(1, keepdim=True)
    with torch.autocast(query.device.type, enabled=False):  # divided by τ, they are too large for half precision
        negatives = query @ queue.T
    return torch.cat([positive, negatives], dim=1) / temperature


def instance_loss(logits: Tensor) -> Tensor:
    """Return the mean cross-entropy of `logits` with the key, column 0, as the class (A-VID)."""
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))


def speed_loss(same: Tensor, other: Tensor, margin: float) -> Tensor:
    """Return the mean of max(0, margin − (same − other)): clips of equal speed should be more similar (RSP).

    Args:
        same: similarities `(clips,)` to the keys of the query's speed, divided by the temperature.
        other: similarities `(clips,)` to the keys of the other speed, divided by the temperature.
        margin: γ; 2.0 at τ = 0.07 is a cosine margin of 0.14.
    """
    return F.margin_ranking_loss(same, other, torch.ones_like(same), margin)
