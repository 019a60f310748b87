"""What can be read off frozen features: by a linear layer, and by nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hf_selfdistill.data.splits import held_out_groups
from hf_selfdistill.evaluation.retrieval import nearest_first

__all__ = [
    "NEIGHBOURS",
    "STRENGTHS",
    "TEMPERATURE",
    "ProbeResult",
    "fit_linear",
    "groups_to_choose_by",
    "knn",
    "linear_probe",
]

NEIGHBOURS, TEMPERATURE = 20, 0.07
STRENGTHS = (1.0, 0.1, 0.01, 0.001, 0.0001)
VALIDATION_FRACTION = 0.2


@dataclass(frozen=True)
class ProbeResult:
    """How a probe did.

    Args:
        correct: `(V,)` bool, of each test video.
        setting: what was chosen: the number of neighbours, or the L2 strength.
    """

    correct: Tensor
    setting: float

    @property
    def accuracy(self) -> float:
        """Fraction of 1."""
        return self.correct.double().mean().item()


def knn(
    features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor, k: int = NEIGHBOURS
) -> ProbeResult:
    """The k nearest by cosine vote with weight exp(similarity / 0.07), as InstDisc does (Wu et al., 2018).

    Args:
        features: of training videos, `(V, dim)`.
        labels: `(V,)`.
        test_features: `(Q, dim)`.
        test_labels: `(Q,)`.
        k: neighbours; all training videos where they are fewer.
    """
    _check(features, test_features)
    k = min(k, len(features))
    classes = int(torch.cat([labels, test_labels]).max()) + 1
    predicted = []
    for similarities, order in nearest_first(test_features, features):
        # Relative to the nearest one: the same votes, and no overflow.
        weights = ((similarities[:, :k] - similarities[:, :1]) / TEMPERATURE).exp()
        votes = weights.new_zeros(len(weights), classes).scatter_add_(1, labels[order[:, :k]], weights)
        predicted.append(votes.argmax(1))
    return ProbeResult(torch.cat(predicted) == test_labels, k)


def linear_probe(
    features: Tensor, labels: Tensor, groups: Sequence[str], test_features: Tensor, test_labels: Tensor
) -> ProbeResult:
    """Multinomial logistic regression on standardised features.

    The L2 strength is the one of `STRENGTHS` with the best accuracy on a fifth of the training videos, whole groups;
    the stronger one of equals. All of them are then fitted with it. The test videos choose nothing.

    Args:
        features: of training videos, `(V, dim)`.
        labels: `(V,)`.
        groups: V names.
        test_features: `(Q, dim)`.
        test_labels: `(Q,)`.

    Raises:
        ValueError: no group can be held out without losing a class, or there are no videos.
    """
    _check(features, test_features)
    held_out = groups_to_choose_by(labels.tolist(), groups)
    held = torch.tensor([group in held_out for group in groups])
    accuracies = [
        _correct(features[~held], labels[~held], features[held], labels[held], strength).double().mean().item()
        for strength in STRENGTHS
    ]
    best = STRENGTHS[accuracies.index(max(accuracies))]
    return ProbeResult(_correct(features, labels, test_features, test_labels, best), best)


def groups_to_choose_by(labels: Sequence[int], groups: Sequence[str]) -> set[str]:
    """The training videos' groups that the strength of the linear probe is chosen on; always the same.

    Raises:
        ValueError: no group can be held out without losing a class.
    """
    held_out = held_out_groups(labels, groups, VALIDATION_FRACTION, seed=0)
    if not held_out:
        raise ValueError(
            "the L2 strength of the linear probe is chosen on held-out groups, but each group holds all videos of "
            "some class; give more groups, or ask for what needs none (--task knn or retrieval)"
        )
    return held_out


def _correct(features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor, strength: float) -> Tensor:
    mean, spread = features.double().mean(0), features.double().std(0, correction=0)
    spread = torch.where(spread > 1e-9 * mean.abs(), spread, 1.0)  # what is constant stays 0, save for rounding
    weight, bias = fit_linear((features.double() - mean) / spread, labels, strength)
    scores = torch.addmm(bias, (test_features.double() - mean) / spread, weight.T)
    return scores.argmax(1) == test_labels


def fit_linear(features: Tensor, labels: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Minimise mean cross-entropy + strength / 2 · |weight|² by L-BFGS, from zero, on all videos at once.

    Args:
        features: `(V, dim)` float64.
        labels: `(V,)`.
        strength: of the L2 penalty; the bias has none.

    Returns:
        Weight `(classes, dim)` and bias `(classes,)`.
    """
    classes = int(labels.max()) + 1
    weight = features.new_zeros(classes, features.shape[1]).requires_grad_()
    bias = features.new_zeros(classes).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=500, tolerance_grad=1e-6, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        scores = torch.addmm(bias, features, weight.T)
        value = torch.nn.functional.cross_entropy(scores, labels) + strength / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weight.detach(), bias.detach()


def _check(features: Tensor, test_features: Tensor) -> None:
    for name, videos in (("training", features), ("test", test_features)):
        if len(videos) == 0:
            raise ValueError(f"there is no {name} video with features; check that the videos can be read")
