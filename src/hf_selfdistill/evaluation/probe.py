"""What frozen features tell of the class: nearest neighbours and a linear classifier."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["STRENGTHS", "linear_probe", "nearest_neighbours"]

STRENGTHS = tuple(10.0**power for power in range(-5, 1))
"""Weights of the squared norm that `linear_probe` chooses from."""

FOLDS = 5


def nearest_neighbours(
    train: Tensor, labels: Tensor, test: Tensor, neighbours: int = 20, temperature: float = 0.07
) -> Tensor:
    """Classes by a weighted vote of the nearest training videos (Wu et al., arXiv 1805.01978).

    Each of the neighbours, nearest by cosine s, votes for its class with exp(s / temperature).

    Args:
        train: features `(videos, dim)`.
        labels: `(videos,)`.
        test: features `(queries, dim)`.
        neighbours: how many vote; of fewer training videos all.
        temperature: τ.

    Returns:
        Predicted classes `(queries,)`.
    """
    similarity = F.normalize(test.double()) @ F.normalize(train.double()).T
    nearest, index = similarity.topk(min(neighbours, len(train)), dim=1)
    votes = F.one_hot(labels[index], int(labels.max()) + 1) * (nearest / temperature).exp()[..., None]
    return votes.sum(1).argmax(1)


def linear_probe(train: Tensor, labels: Tensor, groups: Sequence[str], test: Tensor) -> Tensor:
    """Classes by multinomial logistic regression on standardised features, fitted by L-BFGS in double precision.

    The weight of the squared norm is that of `STRENGTHS` with the best accuracy over five folds of the training
    videos, whole groups each; the test videos have no part in it.

    Args:
        train: features `(videos, dim)`.
        labels: `(videos,)`.
        groups: of the training videos, which must not be divided in choosing.
        test: features `(queries, dim)`.

    Returns:
        Predicted classes `(queries,)`.
    """
    train, test = train.double(), test.double()
    fold = _folds(groups)
    strength = STRENGTHS[len(STRENGTHS) // 2]
    if len(fold.unique()) > 1:
        scores = [_cross_validated(train, labels, fold, candidate) for candidate in STRENGTHS]
        strength = STRENGTHS[scores.index(max(scores))]
    return _fit_and_predict(train, labels, test, strength)


def _folds(groups: Sequence[str]) -> Tensor:
    number = {group: index for index, group in enumerate(sorted(set(groups)))}
    return torch.tensor([number[group] % FOLDS for group in groups])


def _cross_validated(features: Tensor, labels: Tensor, fold: Tensor, strength: float) -> int:
    right = 0
    for held_out in fold.unique():
        kept, tested = fold != held_out, fold == held_out
        predicted = _fit_and_predict(features[kept], labels[kept], features[tested], strength)
        right += int((predicted == labels[tested]).sum())
    return right


@torch.enable_grad()
def _fit_and_predict(train: Tensor, labels: Tensor, test: Tensor, strength: float) -> Tensor:
    mean, std = train.mean(0), train.std(0, correction=0).clamp(min=1e-8)
    train, test = (train - mean) / std, (test - mean) / std
    weight = train.new_zeros(int(labels.max()) + 1, train.shape[1], requires_grad=True)
    bias = train.new_zeros(len(weight), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.linear(train, weight, bias), labels) + strength / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return F.linear(test, weight, bias).argmax(1).detach()
