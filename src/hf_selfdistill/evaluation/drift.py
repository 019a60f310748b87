"""How far an encoder has moved, without labels: its features of the same videos, and its weights, before and after."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["LinearCKA", "cosines", "effective_rank", "relative_distances", "weight_distance"]


class LinearCKA:
    """Linear centred kernel alignment: 1 for equal features up to rotation and one scale, about 0 for unrelated ones.

    Kornblith et al. (ICML 2019, arXiv 1905.00414), with the unbiased estimator of the Hilbert-Schmidt independence
    criterion (Song et al., JMLR 2012), averaged over minibatches (Nguyen, Raghu & Kornblith, ICLR 2021, arXiv
    2010.15327). In double precision; batches are drawn in a fixed order, so that videos sorted by class do no harm,
    and are of about one size, since each counts alike.

    Args:
        before: features `(V, dim)`.
        after: features of the same videos `(V, dim')`.
        batch_size: the most videos compared with one another at a time.
    """

    def __init__(self, before: Tensor, after: Tensor, batch_size: int = 256) -> None:
        order = torch.randperm(len(before), generator=torch.Generator().manual_seed(0))
        batches = order.tensor_split(max(1, math.ceil(len(order) / batch_size)))
        self._kernels = [(batch, _kernel(before[batch]), _kernel(after[batch])) for batch in batches]

    def __call__(self, kept: Tensor | None = None) -> float:
        """CKA of all videos, or of those that are True in `kept` `(V,)` bool, in the minibatches of all.

        Returns:
            Unbiased, so it may lie a little outside of 0 … 1; NaN where features do not vary, or of fewer than 4
            videos in each minibatch.
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
    features = features - features.mean(0)  # centring changes nothing but rounding
    return (features @ features.T).fill_diagonal_(0)


def _unbiased_hsic(one: Tensor, other: Tensor) -> Tensor:
    n = len(one)
    trace = (one * other).sum()  # both are symmetric
    means = one.sum() * other.sum() / ((n - 1) * (n - 2))
    rows = one.sum(0) @ other.sum(0) * 2 / (n - 2)
    return (trace + means - rows) / (n * (n - 3))


def cosines(before: Tensor, after: Tensor) -> Tensor:
    """`(V,)` cosine between each video's features `(V, dim)` before and after."""
    return nn.functional.cosine_similarity(before.double(), after.double())


def relative_distances(before: Tensor, after: Tensor) -> Tensor:
    """`(V,)` ‖f̂ − f⁰‖ / ‖f⁰‖ of each video's features `(V, dim)`."""
    before, after = before.double(), after.double()
    return (after - before).norm(dim=1) / before.norm(dim=1).clamp(min=1e-12)


def effective_rank(features: Tensor) -> float:
    """The number of directions that features `(V, dim)` use: exp of the entropy of their normalised singular values.

    Roy & Vetterli (EUSIPCO 2007), of centred features: between 1 and min(V − 1, dim), 0 where they do not vary.
    """
    centred = features.double() - features.double().mean(0)
    wide = centred.shape[0] < centred.shape[1]
    gram = centred @ centred.T if wide else centred.T @ centred  # the smaller one; far cheaper than the values of all
    values = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    total = values.sum()
    if total <= 1e-6 * features.double().norm():
        return 0.0
    shares = values / total
    return torch.special.entr(shares).sum().exp().item()


def weight_distance(before: nn.Module, after: nn.Module) -> float:
    """‖θ̂ − θ⁰‖ / ‖θ⁰‖ over the parameters of two encoders of one architecture.

    Raises:
        ValueError: they have other parameters.
    """
    old, new = (dict(model.named_parameters()) for model in (before, after))
    if {name: value.shape for name, value in old.items()} != {name: value.shape for name, value in new.items()}:
        raise ValueError("the two encoders have other weights: they are not of one architecture")
    moved = sum((new[name].detach().double() - value.detach().double()).square().sum() for name, value in old.items())
    whole = sum(value.detach().double().square().sum() for value in old.values())
    return float((moved / whole) ** 0.5)
