"""Retrieval of the nearest videos of a gallery."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from hf_selfdistill.evaluation.features import FeatureSet, check_parts

__all__ = ["TOP_K", "nearest_first", "retrieved"]

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


def retrieved(gallery: FeatureSet, queries: FeatureSet) -> dict[str, Tensor]:
    """Return whether a video of each query's class is among the k nearest, `(Q,)` bool, as `top1`, `top5`, and so on.

    A k above the size of the gallery counts as that size.

    Raises:
        ValueError: there is no gallery or no query.
    """
    check_parts(gallery, queries)
    ranks = []  # numbers of videos that are nearer than the first one of the class
    neighbours = nearest_first(queries.features, gallery.features)
    for (_, order), labels in zip(neighbours, queries.labels.split(QUERIES_AT_ONCE), strict=True):
        hits = gallery.labels[order] == labels[:, None]
        ranks.append(torch.where(hits.any(1), hits.int().argmax(1), len(gallery.labels)))
    return {f"top{k}": torch.cat(ranks) < min(k, len(gallery.labels)) for k in TOP_K}
