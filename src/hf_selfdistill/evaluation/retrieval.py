"""Nearest neighbours: does the gallery's nearest video show what the query shows?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

__all__ = ["TOP_K", "nearest_first", "ranks_of_first_hit", "retrieval_accuracy"]

TOP_K = (1, 5, 10, 20, 50)
QUERIES_AT_ONCE = 1024


def nearest_first(queries: Tensor, gallery: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Cosine similarities `(q, G)`, falling, and the gallery videos they belong to, some queries at a time.

    In double precision, since the features of an untrained encoder differ in their last digits. Equal ones stay in the
    gallery's order.

    Args:
        queries: features `(Q, dim)`.
        gallery: features `(G, dim)`.
    """
    directions = torch.nn.functional.normalize(gallery.double(), dim=1)
    for part in queries.split(QUERIES_AT_ONCE):
        similarities = torch.nn.functional.normalize(part.double(), dim=1) @ directions.T
        yield similarities.sort(dim=1, descending=True, stable=True)


def ranks_of_first_hit(queries: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor) -> Tensor:
    """How many gallery videos are nearer to each query than the first one of its class.

    Args:
        queries: features `(Q, dim)`.
        query_labels: `(Q,)`.
        gallery: features `(G, dim)`.
        gallery_labels: `(G,)`.

    Returns:
        `(Q,)` from 0; G where the gallery lacks the class.
    """
    ranks = []
    for (_, order), labels in zip(nearest_first(queries, gallery), query_labels.split(QUERIES_AT_ONCE), strict=True):
        hits = gallery_labels[order] == labels[:, None]
        ranks.append(torch.where(hits.any(1), hits.int().argmax(1), len(gallery)))
    return torch.cat(ranks)


def retrieval_accuracy(
    queries: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor, ks: Sequence[int] = TOP_K
) -> dict[str, float]:
    """Share of the queries that have a video of their class among the k nearest of the gallery, by cosine distance.

    With a k above the size of the gallery that is the share of the queries whose class the gallery has.

    Args:
        queries: features `(Q, dim)`.
        query_labels: `(Q,)`.
        gallery: features `(G, dim)`.
        gallery_labels: `(G,)`.
        ks: how many neighbours are looked at.

    Returns:
        `top1`, `top5`, … as fractions of 1.

    Raises:
        ValueError: there is no query or no gallery.
    """
    for name, features in (("query", queries), ("gallery", gallery)):
        if len(features) == 0:
            raise ValueError(f"there is no {name} video with features; check that the videos can be read")
    ranks = ranks_of_first_hit(queries, query_labels, gallery, gallery_labels)
    found = ranks < len(gallery)
    return {f"top{k}": (found & (ranks < k)).double().mean().item() for k in ks}
