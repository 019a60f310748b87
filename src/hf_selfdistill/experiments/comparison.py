"""Runs of several settings compared: mean, spread, and whether a difference may be chance."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

__all__ = [
    "Difference",
    "Run",
    "Setting",
    "in_percent",
    "paired_difference",
    "runs_by_setting",
    "sign_flip_p",
    "spread",
]

EXACT, DRAWS = 14, 20_000


@dataclass(frozen=True, order=True)
class Setting:
    """What is compared.

    Args:
        label_fraction: share of the labelled videos.
        learning_rate: of the fine-tuning.
        regularizer: its name.
        distill_weight: λ, 0 without self-distillation.
        share: α of WiSE-FT, of the fine-tuned weights in the average; 1 without it.
        epoch: `"last"`, or the best one on the `"validation"` part or, as released code chooses, on `"test"`.
    """

    label_fraction: float
    learning_rate: float
    regularizer: str
    distill_weight: float
    share: float = 1.0
    epoch: str = "last"

    @property
    def is_baseline(self) -> bool:
        """Plain fine-tuning."""
        return self.regularizer == "self_distillation" and self.distill_weight == 0

    @property
    def name(self) -> str:
        """Short, without what is not of the method."""
        words = [f"λ = {self.distill_weight:g}" if self.regularizer == "self_distillation" else self.regularizer]
        words += [] if self.share == 1 else [f"α = {self.share:g}"]
        words += [] if self.epoch == "last" else [f"best on {self.epoch}"]
        return ", ".join(words)


@dataclass(frozen=True)
class Run:
    """One run of a setting.

    Args:
        setting: which.
        split: of the data set.
        seed: of the run.
        top1: video accuracies, fractions of 1.
        top5: the same.
        retention: share of what the encoder knew, None where it was not measured.
    """

    setting: Setting
    split: int
    seed: int
    top1: float
    top5: float
    retention: float | None = None


@dataclass(frozen=True)
class Difference:
    """How two settings differ over the runs that both have.

    Args:
        mean: of the differences.
        spread: their standard deviation, 0 of a single one.
        pairs: how many.
        p: of the sign-flip test, two-sided.
    """

    mean: float
    spread: float
    pairs: int
    p: float


def runs_by_setting(runs: Iterable[Run]) -> dict[Setting, list[Run]]:
    """Settings in their order."""
    ordered = sorted(runs, key=lambda run: (run.setting, run.split, run.seed))
    return {setting: list(own) for setting, own in itertools.groupby(ordered, key=lambda run: run.setting)}


def paired_difference(runs: Sequence[Run], baseline: Sequence[Run], what: str = "top1") -> Difference | None:
    """Each run minus the baseline with the same split and seed; None where there are no pairs.

    Args:
        runs: of a setting.
        baseline: of another one.
        what: is compared, `"top1"` or `"retention"`; runs where it was not measured have no pair.
    """
    values, others = ({(run.split, run.seed): getattr(run, what) for run in own} for own in (runs, baseline))
    differences = [value - others[place] for place, value in values.items() if None not in (value, others.get(place))]
    if not differences:
        return None
    return Difference(statistics.fmean(differences), spread(differences), len(differences), sign_flip_p(differences))


def spread(values: Sequence[float]) -> float:
    """Standard deviation of a sample, 0 of a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def sign_flip_p(differences: Sequence[float]) -> float:
    """How often a mean difference as large arises when each one's sign is a coin's: a two-sided permutation test.

    Exact up to 14 differences; else from 20,000 draws, of which the signs as they are count as one (Phipson & Smyth
    2010), so that p is never 0. With n pairs p cannot fall below 2 / 2ⁿ: five runs can't show p < 0.05.
    """
    values = torch.tensor(differences, dtype=torch.float64)
    if len(values) <= EXACT:
        signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=len(values))), dtype=torch.float64)
    else:
        drawn = torch.randint(2, (DRAWS, len(values)), generator=torch.Generator().manual_seed(0))
        signs = torch.cat([torch.ones(1, len(values), dtype=torch.float64), drawn.double() * 2 - 1])
    sums = (signs @ values).abs()
    return (sums >= values.sum().abs() - 1e-12).double().mean().item()


def in_percent(values: Sequence[float]) -> str:
    """Mean ± standard deviation in percent, the mean alone of a single value."""
    mean = f"{100 * statistics.fmean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {100 * spread(values):.1f}"
