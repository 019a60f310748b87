"""Retrieval of videos of the same class by their features, as VCOP and RSPNet test encoders."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

__all__ = ["KS", "retrieval_hits"]

KS = (1, 5, 10, 20, 50)


def retrieval_hits(
    queries: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor, ks: Sequence[int] = KS
) -> dict[str, Tensor]:
    """Whether the k nearest videos of the gallery, by cosine, hold one of the query's class.

    Args:
        queries: features `(queries, dim)`.
        query_labels: `(queries,)`.
        gallery: features `(videos, dim)`.
        gallery_labels: `(videos,)`.
        ks: numbers of neighbours; of a smaller gallery all videos are taken.

    Returns:
        `top<k>` → `(queries,)` of bool; the mean is the accuracy.
    """
    similarity = F.normalize(queries.double()) @ F.normalize(gallery.double()).T
    order = similarity.argsort(dim=1, descending=True, stable=True)
    right = gallery_labels[order] == query_labels[:, None]  # (queries, videos), the nearest first
    return {f"top{k}": right[:, :k].any(dim=1) for k in ks}
