"""Distances between two encoders without labels: of their features of the same videos, and of their weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["LinearCKA", "effective_rank", "weight_distance"]


class LinearCKA:
    """Linear centred kernel alignment: 1 for features equal up to rotation and scale, about 0 for unrelated features.

    Kornblith et al. (ICML 2019, arXiv 1905.00414), with the unbiased estimator of the Hilbert-Schmidt independence
    criterion (Song et al., JMLR 2012), averaged over minibatches (Nguyen, Raghu & Kornblith, ICLR 2021, arXiv
    2010.15327). Batches are drawn in a fixed random order and have about equal sizes, as each has the same weight.

    Args:
        before: features `(V, dim)`.
        after: features of the same videos `(V, dim')`.
        batch_size: largest number of videos in a minibatch.
    """

    def __init__(self, before: Tensor, after: Tensor, batch_size: int = 256) -> None:
        order = torch.randperm(len(before), generator=torch.Generator().manual_seed(0))
        batches = order.tensor_split(max(1, math.ceil(len(order) / batch_size)))
        self._kernels = [(batch, _kernel(before[batch]), _kernel(after[batch])) for batch in batches]

    def __call__(self, kept: Tensor | None = None) -> float:
        """Return the CKA of all videos, or of those selected by `kept` `(V,)` bool, in the same minibatches.

        The estimator is unbiased, so a value can be slightly outside of 0 … 1. It is NaN if features do not vary, or
        if no minibatch has 4 videos.
        """
        sums = torch.zeros(3, dtype=torch.float64)
        for batch, *kernels in self._kernels:
            if kept is not None:
                kernels = [kernel[kept[batch]][:, kept[batch]] for kernel in kernels]
            if len(kernels[0]) >= 4:
                pairs = ((0, 1), (0, 0), (1, 1))
                sums += torch.stack([_unbiased_hsic(kernels[i], kernels[j]) for i, j in pairs])
        return (sums[0] / (sums[1] * sums[2]).sqrt()).item()


def _kernel(features: Tensor) -> Tensor:
    features = features.double()
    features = features - features.mean(0)  # affects only rounding
    return (features @ features.T).fill_diagonal_(0)


def _unbiased_hsic(one: Tensor, other: Tensor) -> Tensor:
    n = len(one)
    trace = (one * other).sum()  # the kernels are symmetric
    means = one.sum() * other.sum() / ((n - 1) * (n - 2))
    rows = one.sum(0) @ other.sum(0) * 2 / (n - 2)
    return (trace + means - rows) / (n * (n - 3))


def effective_rank(features: Tensor) -> float:
    """Return exp of the entropy of the normalised singular values of centred features `(V, dim)`.

    Roy & Vetterli (EUSIPCO 2007). It is between 1 and min(V − 1, dim), or 0 if the features do not vary.
    """
    centred = features.double() - features.double().mean(0)
    wide = centred.shape[0] < centred.shape[1]
    gram = centred @ centred.T if wide else centred.T @ centred  # the smaller one, far cheaper than an SVD
    values = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    total = values.sum()
    if total <= 1e-6 * features.double().norm():
        return 0.0
    return torch.special.entr(values / total).sum().exp().item()


def weight_distance(before: nn.Module, after: nn.Module) -> float:
    """Return ‖θ̂ − θ⁰‖ / ‖θ⁰‖ over the parameters of two encoders.

    Raises:
        ValueError: the names or shapes of the parameters differ.
    """
    old, new = (dict(model.named_parameters()) for model in (before, after))
    if {name: value.shape for name, value in old.items()} != {name: value.shape for name, value in new.items()}:
        raise ValueError("the parameters of the two encoders differ: the encoders are not of one architecture")
    moved = sum((new[name].detach().double() - value.detach().double()).square().sum() for name, value in old.items())
    whole = sum(value.detach().double().square().sum() for value in old.values())
    return float((moved / whole) ** 0.5)
