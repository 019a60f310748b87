"""Linear probe and nearest-neighbour classification of frozen features."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_selfdistill.data.splits import held_out_groups
from hf_selfdistill.evaluation.features import FeatureSet, check_parts
from hf_selfdistill.evaluation.retrieval import nearest_first

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = [
    "NEIGHBOURS",
    "STRENGTHS",
    "TEMPERATURE",
    "ProbeResult",
    "groups_to_choose_by",
    "knn",
    "linear_probe",
    "probe_head",
]

NEIGHBOURS, TEMPERATURE = 20, 0.07
STRENGTHS = (1.0, 0.1, 0.01, 0.001, 0.0001)
VALIDATION_FRACTION = 0.2


@dataclass(frozen=True)
class ProbeResult:
    """Result of a probe.

    Args:
        correct: `(Q,)` bool, True for each query with a correct prediction.
        setting: number of neighbours, or chosen L2 strength.
    """

    correct: Tensor
    setting: float

    @property
    def accuracy(self) -> float:
        """Share of correct predictions, a fraction of 1."""
        return self.correct.double().mean().item()


def knn(gallery: FeatureSet, queries: FeatureSet, k: int = NEIGHBOURS) -> ProbeResult:
    """Classify by the k nearest by cosine, weighted exp(similarity / 0.07), as InstDisc does (Wu et al., 2018).

    A k above the size of the gallery counts as that size. `KNeighborsClassifier` of scikit-learn has these weights,
    but picks arbitrary neighbours among equally near ones.

    Raises:
        ValueError: there is no gallery or no query.
    """
    check_parts(gallery, queries)
    labels, k = gallery.labels, min(k, len(gallery.labels))
    predicted = []
    for similarities, order in nearest_first(queries.features, gallery.features):
        # Relative to the nearest neighbour, against overflow.
        weights = ((similarities[:, :k] - similarities[:, :1]) / TEMPERATURE).exp()
        votes = weights.new_zeros(len(weights), int(labels.max()) + 1).scatter_add_(1, labels[order[:, :k]], weights)
        predicted.append(votes.argmax(1))
    return ProbeResult(torch.cat(predicted) == queries.labels, k)


def linear_probe(gallery: FeatureSet, queries: FeatureSet) -> ProbeResult:
    """Fit multinomial logistic regression to standardised features of the gallery.

    The L2 strength is the one of `STRENGTHS` with the best accuracy on held-out groups, a fifth of the gallery; of
    equally good ones the strongest. The final fit is on the whole gallery.

    Raises:
        ValueError: no group can be held out, or there are no videos or fewer than two classes.
    """
    check_parts(gallery, queries)
    best = _best_strength(gallery)
    return ProbeResult(_correct(gallery.features, gallery.labels, queries.features, queries.labels, best), best)


def probe_head(gallery: FeatureSet, classes: int) -> tuple[Tensor, Tensor]:
    """Return the weight `(classes, dim)` and bias `(classes,)` of a linear layer that equals the linear probe.

    The layer takes features as they are: the standardisation is part of its weights. Classes without a video have 0.

    Raises:
        ValueError: no group can be held out, or there are fewer than two classes.
    """
    scaler, regression = _fit(gallery.features, gallery.labels, _best_strength(gallery))
    rows = torch.from_numpy(regression.coef_ / scaler.scale_)
    offsets = torch.from_numpy(regression.intercept_) - rows @ torch.from_numpy(scaler.mean_)
    if len(regression.classes_) == 2:
        rows, offsets = (torch.cat([-value / 2, value / 2]) for value in (rows, offsets))
    weight, bias = rows.new_zeros(classes, rows.shape[1]), rows.new_zeros(classes)
    weight[regression.classes_], bias[regression.classes_] = rows, offsets
    return weight.float(), bias.float()


def _best_strength(gallery: FeatureSet) -> float:
    features, labels = gallery.features, gallery.labels
    held_out = groups_to_choose_by(labels.tolist(), gallery.groups)
    held = torch.tensor([group in held_out for group in gallery.groups])
    accuracies = [
        _correct(features[~held], labels[~held], features[held], labels[held], strength).double().mean().item()
        for strength in STRENGTHS
    ]
    return STRENGTHS[accuracies.index(max(accuracies))]


def groups_to_choose_by(labels: Sequence[int], groups: Sequence[str]) -> set[str]:
    """Return the groups of the gallery that choose the L2 strength; every call returns the same.

    Raises:
        ValueError: no group can be held out without losing a class, or there are fewer than two classes.
    """
    if len(set(labels)) < 2:
        raise ValueError("the gallery is of one class, but the linear probe needs two; add another class")
    held_out = held_out_groups(labels, groups, VALIDATION_FRACTION, seed=0)
    if not held_out:
        raise ValueError(
            "the L2 strength of the linear probe is chosen on held-out groups, but each group holds all videos of "
            "some class; give more groups, or use `task` knn or retrieval"
        )
    return held_out


def _correct(features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor, strength: float) -> Tensor:
    predicted = _fit(features, labels, strength).predict(test_features.double().numpy())
    return torch.from_numpy(predicted) == test_labels


def _fit(features: Tensor, labels: Tensor, strength: float) -> Pipeline:
    """Minimise mean cross-entropy + strength / 2 · |weight|² on standardised features."""
    draws = random.getstate()  # the first import of scikit-learn draws from it, and a probe can run during training
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random.setstate(draws)
    # For two classes scikit-learn fits one row w. Softmax has w/2 and −w/2, with half the penalty.
    penalty = strength / 2 if len(labels.unique()) == 2 else strength
    regression = LogisticRegression(C=1 / (penalty * len(labels)), tol=1e-7, max_iter=10_000)
    return make_pipeline(StandardScaler(), regression).fit(features.double().numpy(), labels.numpy())
