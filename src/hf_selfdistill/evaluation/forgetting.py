"""What an encoder has forgotten: the same measurements on a reference set, before and after fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hf_selfdistill.evaluation.bootstrap import Estimate, estimate, estimated_mean, resampled_means
from hf_selfdistill.evaluation.drift import LinearCKA, cosines, effective_rank, relative_distances
from hf_selfdistill.evaluation.features import FeatureSet
from hf_selfdistill.evaluation.jackknife import jackknifed
from hf_selfdistill.evaluation.probe import knn, linear_probe
from hf_selfdistill.evaluation.retrieval import TOP_K, ranks_of_first_hit

__all__ = ["HEADLINE", "accuracies", "chance", "compare", "drift", "retention", "retentions"]

HEADLINE = "linear_probe_top1"
"""The measurement whose retention is the one that is quoted."""


def accuracies(known: FeatureSet, asked: FeatureSet) -> dict[str, Tensor]:
    """Which test videos are right `(V,)` bool, by measurement: linear probe, kNN, retrieval at 1 … 50.

    Args:
        known: features of the reference set's training videos.
        asked: of its test videos.

    Raises:
        ValueError: there are no videos, or no group can be held out for the linear probe.
    """
    known_features = (known.features, known.labels)
    ranks = ranks_of_first_hit(asked.features, asked.labels, *known_features)
    return {
        "linear_probe_top1": linear_probe(*known_features, known.groups, asked.features, asked.labels).correct,
        "knn_top1": knn(*known_features, asked.features, asked.labels).correct,
        **{f"retrieval_top{k}": (ranks < k) & (ranks < len(known.labels)) for k in TOP_K},
    }


def chance(known: FeatureSet, asked: FeatureSet) -> float:
    """What is right of the test videos when each is given the commonest class of the training videos, or any one.

    Of several that are equally common it is the one that is right most often.
    """
    counts = known.labels.bincount()
    commonest = (counts == counts.max()).nonzero()
    right = (asked.labels == commonest).double().mean(1).max().item()
    return max(right, 1 / int((counts > 0).sum()))


def retention(before: Tensor, after: Tensor, by_chance: float) -> Tensor:
    """The share that is left of what the encoder knew beyond chance: (a − c) / (a⁰ − c), with accuracies a⁰ and a."""
    return (after - by_chance) / (before - by_chance)


def retentions(
    before: dict[str, Tensor], after: dict[str, Tensor], groups: list[str], by_chance: float
) -> dict[str, Estimate | None]:
    """Retention with its interval, of the linear probe and of kNN.

    None where the encoder before fine-tuning was not surely better than chance: nothing can be lost then.

    Args:
        before: see `accuracies`.
        after: the same of the encoder after.
        groups: of the test videos, which are drawn whole, the same for both encoders.
        by_chance: see `chance`.
    """
    found: dict[str, Estimate | None] = {}
    for name in ("linear_probe_top1", "knn_top1"):
        old, new = resampled_means(before[name], groups), resampled_means(after[name], groups)
        if not estimated_mean(before[name], groups).low > by_chance:  # also where there is no interval
            found[name] = None
            continue
        value = retention(before[name].double().mean(), after[name].double().mean(), by_chance)
        draws = retention(old, new, by_chance)
        draws[~draws.isfinite()] = torch.nan
        found[name] = estimate(value.item(), draws, len(set(groups)))
    return found


def compare(before: Sequence[FeatureSet], after: Sequence[FeatureSet]) -> dict[str, Any]:
    """Each measurement of both encoders with its interval, and the retention.

    Args:
        before: features of the reference set's training and test videos.
        after: of the same videos.
    """
    groups = before[1].groups
    right = accuracies(*before), accuracies(*after)
    by_chance = chance(*before)
    retained = retentions(*right, groups, by_chance)
    old, new = (
        {name: estimated_mean(correct, groups).as_dict() for name, correct in measured.items()} for measured in right
    )
    return {
        "retention": _as_dict(retained[HEADLINE]),
        "retention_knn": _as_dict(retained["knn_top1"]),
        "chance": by_chance,
        "before": old,
        "after": new,
    }


def _as_dict(found: Estimate | None) -> dict[str, float | None] | None:
    return None if found is None else found.as_dict()


def drift(before: FeatureSet, after: FeatureSet) -> dict[str, Any]:
    """How far the features of the same videos have moved, with intervals; labels are not used.

    Pooled features, and CKA layer by layer; None where CKA has no value (see `LinearCKA`).
    """
    groups = before.groups
    return {
        "cosine": estimated_mean(cosines(before.features, after.features), groups).as_dict(),
        "relative_l2": estimated_mean(relative_distances(before.features, after.features), groups).as_dict(),
        "cka": _cka(before.features, after.features, groups),
        "effective_rank_before": _effective_rank(before.features, groups),
        "effective_rank_after": _effective_rank(after.features, groups),
        "layers": [
            {"name": name, "cka": _cka(features, after.layers[name], groups)}
            for name, features in before.layers.items()
        ],
    }


def _cka(before: Tensor, after: Tensor, groups: list[str]) -> dict[str, float | None] | None:
    found = jackknifed(LinearCKA(before, after), groups)
    return found.as_dict() if math.isfinite(found.value) else None


def _effective_rank(features: Tensor, groups: list[str]) -> dict[str, float | None]:
    return jackknifed(lambda kept: effective_rank(features[kept]), groups).as_dict()
