"""Measurements of forgetting: an encoder before and after fine-tuning, on a reference set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import cosine_similarity

from hf_selfdistill.evaluation.drift import LinearCKA, effective_rank
from hf_selfdistill.evaluation.features import FeatureSet
from hf_selfdistill.evaluation.intervals import Estimate, estimated_mean, jackknifed
from hf_selfdistill.evaluation.probe import knn, linear_probe
from hf_selfdistill.evaluation.retrieval import retrieved

__all__ = ["HEADLINE", "accuracies", "chance", "compare", "drift", "retentions"]

HEADLINE = "linear_probe_top1"
"""Measurement whose retention is reported first."""


def accuracies(gallery: FeatureSet, queries: FeatureSet) -> dict[str, Tensor]:
    """Return which queries are correct `(Q,)` bool, by linear probe, kNN and retrieval at 1 … 50.

    Args:
        gallery: features of the reference set's training videos.
        queries: features of the reference set's test videos.

    Raises:
        ValueError: there are no videos, or the linear probe lacks classes or groups.
    """
    return {
        "linear_probe_top1": linear_probe(gallery, queries).correct,
        "knn_top1": knn(gallery, queries).correct,
        **{f"retrieval_{name}": hit for name, hit in retrieved(gallery, queries).items()},
    }


def chance(gallery: FeatureSet, queries: FeatureSet) -> float:
    """Return the accuracy of predicting the gallery's commonest class for every query, at least 1 / classes.

    Of equally common classes the one with the highest accuracy counts.
    """
    counts = gallery.labels.bincount()
    commonest = (counts == counts.max()).nonzero()
    right = (queries.labels == commonest).double().mean(1).max().item()
    return max(right, 1 / int((counts > 0).sum()))


def retentions(
    before: dict[str, Tensor], after: dict[str, Tensor], groups: Sequence[str], by_chance: float
) -> dict[str, Estimate | None]:
    """Return the retention (a − c) / (a⁰ − c) of the linear probe and of kNN, with intervals.

    It is None if the interval of a⁰ is unknown or includes chance: then there is nothing to forget.

    Args:
        before: correct queries before fine-tuning, with accuracy a⁰; see `accuracies`.
        after: correct queries after fine-tuning, with accuracy a.
        groups: groups of the queries.
        by_chance: accuracy c; see `chance`.
    """
    return {name: _retention(before[name], after[name], groups, by_chance) for name in (HEADLINE, "knn_top1")}


def _retention(before: Tensor, after: Tensor, groups: Sequence[str], by_chance: float) -> Estimate | None:
    old, new = before.double() - by_chance, after.double() - by_chance
    if not estimated_mean(before, groups).low > by_chance:  # also for NaN
        return None
    return jackknifed(lambda kept: (new[kept].mean() / old[kept].mean()).item(), groups, most_blocks=200)


def compare(
    before: Sequence[FeatureSet], after: Sequence[FeatureSet], random: Sequence[FeatureSet] | None = None
) -> dict[str, Any]:
    """Return the accuracies of the encoders, the retention, and the difference of the accuracies, with intervals.

    Retention measures what can be decoded from the features. Random features can be decoded too, so the retention of
    random weights is above 0.

    Args:
        before: features of gallery and queries before fine-tuning.
        after: features of the same videos after fine-tuning.
        random: features of the same videos under random weights; adds their accuracies and their retention.
    """
    groups, by_chance = before[1].groups, chance(*before)
    correct = {"before": accuracies(*before), "after": accuracies(*after)}
    if random is not None:
        correct["random"] = accuracies(*random)
    retained = {
        when: retentions(correct["before"], correct[when], groups, by_chance) for when in correct if when != "before"
    }
    results: dict[str, Any] = {
        "retention": retained["after"][HEADLINE],
        "retention_knn": retained["after"]["knn_top1"],
    }
    if random is not None:
        results["retention_of_random_weights"] = retained["random"][HEADLINE]
    moved = correct["after"][HEADLINE].double() - correct["before"][HEADLINE].double()
    results["difference"] = estimated_mean(moved, groups, lowest=-1)
    return {
        **{name: None if found is None else found.as_dict() for name, found in results.items()},
        "chance": by_chance,
        **{
            when: {name: estimated_mean(right, groups).as_dict() for name, right in measured.items()}
            for when, measured in correct.items()
        },
    }


def drift(before: FeatureSet, after: FeatureSet) -> dict[str, Any]:
    """Return the distances between features of the same videos, with intervals; labels are not used.

    CKA is of the pooled features and of each layer, or None if it has no value (see `LinearCKA`).
    """
    groups, old, new = before.groups, before.features.double(), after.features.double()
    distance = (new - old).norm(dim=1) / old.norm(dim=1).clamp(min=1e-12)
    return {
        "cosine": estimated_mean(cosine_similarity(old, new), groups, lowest=-1).as_dict(),
        "relative_l2": estimated_mean(distance, groups, highest=math.inf).as_dict(),
        "cka": _cka(before.features, after.features, groups),
        "effective_rank_before": _effective_rank(before.features, groups),
        "effective_rank_after": _effective_rank(after.features, groups),
        "layers": [
            {"name": name, "cka": _cka(features, after.layers[name], groups)}
            for name, features in before.layers.items()
        ],
    }


def _cka(before: Tensor, after: Tensor, groups: Sequence[str]) -> dict[str, float | None] | None:
    found = jackknifed(LinearCKA(before, after), groups, lowest=0, highest=1)
    return found.as_dict() if math.isfinite(found.value) else None


def _effective_rank(features: Tensor, groups: Sequence[str]) -> dict[str, float | None]:
    highest = min(len(features) - 1, features.shape[1])
    return jackknifed(lambda kept: effective_rank(features[kept]), groups, lowest=0, highest=highest).as_dict()
