"""Retrieval of the nearest videos of a gallery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

__all__ = ["TOP_K", "nearest_first", "ranks_of_first_hit", "retrieval_accuracy"]

TOP_K = (1, 5, 10, 20, 50)
QUERIES_AT_ONCE = 1024


def nearest_first(queries: Tensor, gallery: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield sorted cosine similarities `(q, G)` and indices of gallery videos, for some queries at a time.

    Similarities are in double precision, as features of an untrained encoder differ in their last digits. Equal ones
    keep the order of the gallery.

    Args:
        queries: features `(Q, dim)`.
        gallery: features `(G, dim)`.
    """
    directions = torch.nn.functional.normalize(gallery.double(), dim=1)
    for part in queries.split(QUERIES_AT_ONCE):
        similarities = torch.nn.functional.normalize(part.double(), dim=1) @ directions.T
        yield similarities.sort(dim=1, descending=True, stable=True)


def ranks_of_first_hit(queries: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor) -> Tensor:
    """Return `(Q,)` how many gallery videos are nearer to a query than the first one of its class.

    Args:
        queries: features `(Q, dim)`.
        query_labels: labels `(Q,)`.
        gallery: features `(G, dim)`.
        gallery_labels: labels `(G,)`; the rank is G if the class of a query is missing.
    """
    ranks = []
    for (_, order), labels in zip(nearest_first(queries, gallery), query_labels.split(QUERIES_AT_ONCE), strict=True):
        hits = gallery_labels[order] == labels[:, None]
        ranks.append(torch.where(hits.any(1), hits.int().argmax(1), len(gallery)))
    return torch.cat(ranks)


def retrieval_accuracy(
    queries: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor, ks: Sequence[int] = TOP_K
) -> dict[str, float]:
    """Return the share of queries with a video of their class among the k nearest of the gallery, as `top1`, `top5`, …

    Args:
        queries: features `(Q, dim)`.
        query_labels: labels `(Q,)`.
        gallery: features `(G, dim)`.
        gallery_labels: labels `(G,)`.
        ks: the values of k; a k above G counts as G.

    Raises:
        ValueError: there is no query or no gallery.
    """
    for name, features in (("query", queries), ("gallery", gallery)):
        if len(features) == 0:
            raise ValueError(f"there is no {name} video with features; check that the videos can be read")
    ranks = ranks_of_first_hit(queries, query_labels, gallery, gallery_labels)
    return {f"top{k}": (ranks < min(k, len(gallery))).double().mean().item() for k in ks}
