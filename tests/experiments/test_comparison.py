from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from scipy.stats import ttest_1samp

from hf_selfdistill.experiments.comparison import (
    Run,
    Setting,
    best_rates,
    paired_difference,
    runs_by_setting,
    sign_flip_p,
)

PLAIN, TAUGHT = (Setting(1.0, 0.1, "self_distillation", weight) for weight in (0.0, 100.0))


def runs_of(setting, accuracies, retention=None):
    return [Run(setting, 1, seed, top1, 1.0, retention) for seed, top1 in enumerate(accuracies)]


def test_p_is_the_share_of_signs_with_a_sum_at_least_as_large():
    values = [0.03, 0.01, -0.02, 0.04]
    as_much = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True))) >= sum(values) - 1e-12
        for signs in itertools.product((-1, 1), repeat=4)
    ]
    assert sign_flip_p(values) == sum(as_much) / 16
    assert sign_flip_p([0.1] * 5) == 2 / 2**5
    assert sign_flip_p([0.0, 0.0]) == 1
    assert sign_flip_p([0.1]) == 1


def test_p_of_many_pairs_is_near_the_exact_value():
    assert sign_flip_p([0.01] * 10 + [-0.01] * 6) == pytest.approx(0.4545, abs=0.02)  # binomial, 16 coins
    assert sign_flip_p([0.1] * 20) == pytest.approx(1 / 20_001)  # never 0


def test_only_runs_of_the_same_split_and_seed_are_paired():
    difference = paired_difference(runs_of(TAUGHT, [0.5, 0.7, 0.9]), runs_of(PLAIN, [0.4, 0.5]))
    assert (difference.pairs, difference.mean) == (2, pytest.approx(0.15))
    assert paired_difference(runs_of(TAUGHT, [0.5]), []) is None


def test_retention_is_compared_where_both_runs_have_it():
    taught, plain = runs_of(TAUGHT, [0.5, 0.7], 0.75), [*runs_of(PLAIN, [0.4], 0.5), *runs_of(PLAIN, [0.4, 0.5])[1:]]
    difference = paired_difference(taught, plain, "retention")
    assert (difference.pairs, difference.mean) == (1, 0.25)
    assert paired_difference(runs_of(TAUGHT, [0.5]), plain, "retention") is None


def test_averages_and_best_epochs_are_named():
    averages = [Setting(1.0, 0.1, "wise_ft", 0.0, share) for share in (0.5, 0.25)]
    assert [setting.name for setting in averages] == ["wise_ft, α = 0.5", "wise_ft, α = 0.25"]
    assert replace(TAUGHT, epoch="validation").name == "λ = 100, best on validation"
    assert PLAIN.name == "λ = 0" and Setting(1.0, 0.1, "linear_probe", 0.0).name == "linear_probe"


def test_runs_are_grouped_whatever_their_order():
    mixed = [run for pair in zip(runs_of(TAUGHT, [0.1, 0.2]), runs_of(PLAIN, [0.3, 0.4]), strict=True) for run in pair]
    assert {setting: len(own) for setting, own in runs_by_setting(mixed).items()} == {PLAIN: 2, TAUGHT: 2}


def test_intervals_are_students_and_hold_for_all_comparisons_together():
    taught, plain = runs_of(TAUGHT, [0.5, 0.7, 0.6]), runs_of(PLAIN, [0.4, 0.5, 0.6])
    one, of_ten = (paired_difference(taught, plain, comparisons=n) for n in (1, 10))
    expected = ttest_1samp([0.1, 0.2, 0.0], 0).confidence_interval(0.95)
    assert one.mean - one.margin == pytest.approx(expected.low) and one.mean + one.margin == pytest.approx(
        expected.high
    )
    corrected = ttest_1samp([0.1, 0.2, 0.0], 0).confidence_interval(0.995)
    assert of_ten.mean + of_ten.margin == pytest.approx(corrected.high) and (one.p, of_ten.p) == (0.5, 1.0)


def test_the_best_rate_is_chosen_on_validation_and_only_among_several():
    slow = replace(PLAIN, learning_rate=0.01)
    groups = {
        PLAIN: [Run(PLAIN, 1, 0, 0.9, 1.0, None, 0.4)],
        slow: [Run(slow, 1, 0, 0.1, 1.0, None, 0.6)],
        TAUGHT: [Run(TAUGHT, 1, 0, 0.9, 1.0, None, 0.4)],
    }
    assert best_rates(groups) == {replace(PLAIN, learning_rate=0.0): slow}
    groups[slow] = runs_of(slow, [0.1])  # without validation
    assert best_rates(groups) == {}
