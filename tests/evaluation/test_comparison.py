from __future__ import annotations

import itertools

import pytest

from hf_selfdistill.evaluation.comparison import Run, Setting, paired_difference, runs_by_setting, sign_flip_p
from hf_selfdistill.evaluation.comparison_table import as_table
from hf_selfdistill.evaluation.paper_results import BEST_WEIGHT, paper_accuracy

PLAIN, TAUGHT = (Setting(1.0, 0.1, "self_distillation", weight) for weight in (0.0, 100.0))


def runs_of(setting, accuracies, retention=None):
    return [Run(setting, 1, seed, top1, 1.0, retention) for seed, top1 in enumerate(accuracies)]


def test_p_is_the_share_of_signs_that_give_as_much():
    values = [0.03, 0.01, -0.02, 0.04]
    as_much = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True))) >= sum(values) - 1e-12
        for signs in itertools.product((-1, 1), repeat=4)
    ]
    assert sign_flip_p(values) == sum(as_much) / 16
    assert sign_flip_p([0.1] * 5) == 2 / 2**5
    assert sign_flip_p([0.0, 0.0]) == 1


def test_many_pairs_are_drawn_and_come_near_the_exact_value():
    assert sign_flip_p([0.01] * 10 + [-0.01] * 6) == pytest.approx(0.4545, abs=0.02)  # binomial, 16 coins


def test_only_runs_of_the_same_split_and_seed_are_paired():
    difference = paired_difference(runs_of(TAUGHT, [0.5, 0.7, 0.9]), runs_of(PLAIN, [0.4, 0.5]))
    assert (difference.pairs, difference.mean) == (2, pytest.approx(0.15))
    assert paired_difference(runs_of(TAUGHT, [0.5]), []) is None


def test_the_table_has_mean_spread_difference_and_the_papers_figures():
    runs = runs_of(TAUGHT, [0.5, 0.7], 0.8) + runs_of(PLAIN, [0.4, 0.6], 0.5)
    table = as_table(runs, 101, lambda weight: paper_accuracy("c3d", "ucf101", 101, weight))
    plain, taught = [line for line in table.splitlines() if line.startswith("| λ")]
    assert plain == "| λ = 0 | 100 % | 0.1 | 50.0 ± 14.1 | 100.0 ± 0.0 |  |  | 50.0 ± 0.0 | 2 | 77.1 / 93.5 |"
    assert "60.0 ± 14.1" in taught and "+10.0 ± 0.0 | 0.5 | 80.0 ± 0.0 | 2 | 78.6 / 94.6" in taught


def test_settings_of_other_labels_are_not_compared():
    few = Setting(0.1, 0.1, "self_distillation", 100.0)
    row = as_table(runs_of(few, [0.3, 0.4]) + runs_of(PLAIN, [0.4, 0.6]), 101).splitlines()[2]
    assert row == "| λ = 100 | 10 % | 0.1 | 35.0 ± 7.1 | 100.0 ± 0.0 |  |  |  | 2 |"


def test_runs_are_grouped_whatever_their_order():
    mixed = [run for pair in zip(runs_of(TAUGHT, [0.1, 0.2]), runs_of(PLAIN, [0.3, 0.4]), strict=True) for run in pair]
    assert {setting: len(own) for setting, own in runs_by_setting(mixed).items()} == {PLAIN: 2, TAUGHT: 2}


def test_the_papers_figures_are_for_its_data_sets_alone():
    assert paper_accuracy("r2plus1d", "hmdb51", 51, 1000) == (47.3, 77.8)
    assert paper_accuracy("c3d", "ucf101", 17, 0) is None and paper_accuracy("c3d", "folder", 101, 0) is None
    assert BEST_WEIGHT == {
        ("c3d", "ucf101"): 100,
        ("c3d", "hmdb51"): 0.1,
        ("r2plus1d", "ucf101"): 100,
        ("r2plus1d", "hmdb51"): 1000,
    }


def test_of_five_classes_the_table_has_no_top_5():
    wide, narrow = (as_table(runs_of(PLAIN, [0.4, 0.6]), classes).splitlines()[:3] for classes in (6, 5))
    assert "Acc@5" in wide[0] and "Acc@5" not in narrow[0]
    assert len({line.count("|") for line in narrow}) == 1 and narrow[0].count("|") == wide[0].count("|") - 1
