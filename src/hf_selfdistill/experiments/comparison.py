"""Statistics over the runs of several settings: mean, spread, paired difference and its p value."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "STRENGTHS",
    "Difference",
    "Run",
    "Setting",
    "best_rates",
    "in_percent",
    "paired_difference",
    "runs_by_setting",
    "sign_flip_p",
    "spread",
]

STRENGTHS = {
    "l2_sp": "l2_sp_weight",
    "encoder_lr": "encoder_lr_share",
    "layerwise_lr_decay": "layer_lr_decay",
    "ps_kd": "ps_kd_weight",
    "ema": "ema_decay",
    "swa": "swa_start",
}
"""Maps each regularizer with a strength, other than self-distillation, to the field of the strength."""

DRAWS = 20_000  # of signs; more than the 2¹⁴ of 14 differences, which are all used


@dataclass(frozen=True, order=True)
class Setting:
    """Setting of runs that differ only in split and seed.

    Args:
        label_fraction: share of the labelled videos.
        learning_rate: learning rate of the fine-tuning.
        regularizer: name of the regularizer.
        distill_weight: λ, 0 without self-distillation.
        share: α of WiSE-FT, the share of the fine-tuned weights in the average; 1 without WiSE-FT.
        epoch: `"last"`, or the best epoch on the `"validation"` part or, as in released code, on the `"test"` part.
        strength: strength of a regularizer other than self-distillation, -1 if it has none.
    """

    label_fraction: float
    learning_rate: float
    regularizer: str
    distill_weight: float
    share: float = 1.0
    epoch: str = "last"
    strength: float = -1.0  # None could not be sorted

    @property
    def is_baseline(self) -> bool:
        """True for plain fine-tuning."""
        return self.regularizer == "self_distillation" and self.distill_weight == 0

    @property
    def name(self) -> str:
        """Short name of the method, without learning rate and share of labels."""
        words = [f"λ = {self.distill_weight:g}" if self.regularizer == "self_distillation" else self.regularizer]
        words[0] += f" {self.strength:g}" if self.strength >= 0 else ""
        words += [] if self.share == 1 else [f"α = {self.share:g}"]
        words += [] if self.epoch == "last" else [f"best on {self.epoch}"]
        return ", ".join(words)


@dataclass(frozen=True)
class Run:
    """One run of a setting.

    Args:
        setting: setting of the run.
        split: number of the data set's split.
        seed: seed of the run.
        top1: video top-1, a fraction of 1.
        top5: video top-5, a fraction of 1.
        retention: retention of the linear probe; None if it was not measured.
        validation_top1: video top-1 on the validation part, to choose a learning rate by; None without that part.
        ce_loss: last logged cross-entropy of the training.
        steps: number of optimiser steps.
    """

    setting: Setting
    split: int
    seed: int
    top1: float
    top5: float
    retention: float | None = None
    validation_top1: float | None = None
    ce_loss: float | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Difference:
    """Paired differences between two settings.

    Args:
        mean: mean of the differences.
        spread: standard deviation of the differences, 0 for a single pair.
        pairs: number of pairs.
        p: two-sided p value of the sign-flip test.
        margin: half of the interval of the mean, from Student's t; infinite for a single pair.
    """

    mean: float
    spread: float
    pairs: int
    p: float
    margin: float


def runs_by_setting(runs: Iterable[Run]) -> dict[Setting, list[Run]]:
    """Group runs by setting, both sorted."""
    ordered = sorted(runs, key=lambda run: (run.setting, run.split, run.seed))
    return {setting: list(own) for setting, own in itertools.groupby(ordered, key=lambda run: run.setting)}


def paired_difference(
    runs: Sequence[Run], baseline: Sequence[Run], what: str = "top1", comparisons: int = 1
) -> Difference | None:
    """Return the difference between runs and baseline runs with the same split and seed; None without pairs.

    Args:
        runs: runs of a setting.
        baseline: runs of another setting.
        what: compared value, `"top1"` or `"retention"`; runs without the value have no pair.
        comparisons: number of comparisons of the family. p and the 95 % interval hold for all of them together
            (Bonferroni).
    """
    from scipy.stats import t

    values, others = ({(run.split, run.seed): getattr(run, what) for run in own} for own in (runs, baseline))
    differences = [value - others[place] for place, value in values.items() if None not in (value, others.get(place))]
    if not differences:
        return None
    n, deviation = len(differences), spread(differences)
    margin = float(t.ppf(1 - 0.025 / comparisons, n - 1)) * deviation / math.sqrt(n) if n > 1 else math.inf
    p = min(1.0, comparisons * sign_flip_p(differences))
    return Difference(statistics.fmean(differences), deviation, n, p, margin)


def best_rates(by_setting: Mapping[Setting, Sequence[Run]]) -> dict[Setting, Setting]:
    """Return the setting with the best mean validation accuracy among those that differ in the learning rate alone.

    Returns:
        Maps each setting with learning rate 0, the name of such a group, to its best setting. Groups of one learning
        rate, and groups with runs without a validation accuracy, are left out.
    """
    groups: dict[Setting, dict[Setting, float]] = {}
    for setting, runs in by_setting.items():
        found = [run.validation_top1 for run in runs if run.validation_top1 is not None]
        accuracy = statistics.fmean(found) if len(found) == len(runs) else math.nan
        groups.setdefault(dataclasses.replace(setting, learning_rate=0.0), {})[setting] = accuracy
    return {
        name: max(accuracies, key=accuracies.__getitem__)
        for name, accuracies in groups.items()
        if len(accuracies) > 1 and not any(map(math.isnan, accuracies.values()))
    }


def spread(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample, 0 for a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def sign_flip_p(differences: Sequence[float]) -> float:
    """Return the two-sided p value of the sign-flip test, a permutation test of paired differences.

    Exact for up to 14 differences, otherwise from 20,000 draws and never 0 (Phipson & Smyth 2010). With n pairs p
    cannot fall below 2 / 2ⁿ: five runs cannot show p < 0.05.
    """
    from scipy.stats import permutation_test

    if len(differences) == 1:  # refused by scipy
        return 1.0

    def size(values: np.ndarray, axis: int) -> np.ndarray:
        return abs(values.sum(axis)).round(12)  # rounding errors would separate equal sums

    test = permutation_test(
        [differences], size, permutation_type="samples", alternative="greater", n_resamples=DRAWS, rng=0
    )
    return float(test.pvalue)


def in_percent(values: Sequence[float]) -> str:
    """Format mean ± standard deviation in percent; only the mean for a single value."""
    mean = f"{100 * statistics.fmean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {100 * spread(values):.1f}"
