from __future__ import annotations

from dataclasses import replace

from hf_selfdistill.experiments.comparison import Run, Setting
from hf_selfdistill.experiments.comparison_table import as_table
from hf_selfdistill.experiments.paper_results import paper_accuracy

PLAIN, TAUGHT = (Setting(1.0, 0.1, "self_distillation", weight) for weight in (0.0, 100.0))


def runs_of(setting, accuracies, retention=None):
    return [Run(setting, 1, seed, top1, 1.0, retention) for seed, top1 in enumerate(accuracies)]


def test_the_table_has_mean_spread_difference_and_the_papers_values():
    runs = runs_of(TAUGHT, [0.5, 0.7], 0.8) + runs_of(PLAIN, [0.4, 0.6], 0.5)
    table = as_table(runs, 101, lambda weight: paper_accuracy("c3d", "ucf101", 101, weight))
    plain, taught = [line for line in table.splitlines() if line.startswith("| λ")]
    assert (
        plain == "| λ = 0 | 100 % | 0.1 | 50.0 ± 14.1 | 100.0 ± 0.0 |  |  | 50.0 ± 0.0 |  |  |  |  | 2 | 77.1 / 93.5 |"
    )
    assert (
        "60.0 ± 14.1" in taught
        and "+10.0 ± 0.0 | 0.5 | 80.0 ± 0.0 | +30.0 ± 0.0 | 0.5 |  |  | 2 | 78.6 / 94.6" in taught
    )


def test_settings_of_other_labels_are_not_compared():
    few = Setting(0.1, 0.1, "self_distillation", 100.0)
    row = as_table(runs_of(few, [0.3, 0.4]) + runs_of(PLAIN, [0.4, 0.6]), 101).splitlines()[2]
    assert row == "| λ = 100 | 10 % | 0.1 | 35.0 ± 7.1 | 100.0 ± 0.0 |  |  |  |  |  |  |  | 2 |"


def test_the_papers_values_appear_only_for_all_labels():
    few = Setting(0.1, 0.1, "self_distillation", 0.0)
    table = as_table(runs_of(few, [0.3]) + runs_of(PLAIN, [0.4]), 101, lambda weight: (77.1, 93.5))
    assert [line.endswith("| 77.1 / 93.5 |") for line in table.splitlines()[2:4]] == [False, True]


def test_best_epochs_are_compared_with_best_epochs():
    best = [replace(setting, epoch="validation") for setting in (PLAIN, TAUGHT)]
    runs = runs_of(PLAIN, [0.1]) + runs_of(best[0], [0.5]) + runs_of(best[1], [0.6])
    last = next(line for line in as_table(runs, 5).splitlines() if line.startswith("| λ = 100"))
    assert last.startswith("| λ = 100, best on validation | 100 % | 0.1 | 60.0 | +10.0 ± 0.0 |")


def test_for_five_classes_the_table_has_no_top_5():
    wide, narrow = (as_table(runs_of(PLAIN, [0.4, 0.6]), classes).splitlines()[:3] for classes in (6, 5))
    assert "Acc@5" in wide[0] and "Acc@5" not in narrow[0]
    assert len({line.count("|") for line in narrow}) == 1 and narrow[0].count("|") == wide[0].count("|") - 1


def test_the_table_names_chance():
    assert "Percent; chance is 25.0 %." in as_table(runs_of(PLAIN, [0.4]), 4)


def test_plain_fine_tuning_at_a_lower_rate_is_compared_with_that_at_the_highest():
    slow, slow_taught = (Setting(1.0, 0.01, "self_distillation", weight) for weight in (0.0, 100.0))
    runs = runs_of(PLAIN, [0.4, 0.6]) + runs_of(slow, [0.5, 0.7]) + runs_of(slow_taught, [0.2, 0.4])
    against = {
        tuple(line.split(" | ")[i] for i in (0, 2)): line.split(" | ")[4]
        for line in as_table(runs, 5).splitlines()[2:5]
    }
    assert against == {
        ("| λ = 0", "0.1"): "",
        ("| λ = 0", "0.01"): "+10.0 ± 0.0",
        ("| λ = 100", "0.01"): "-30.0 ± 0.0",
    }


def test_each_method_at_its_best_rate_on_validation_is_compared_with_plain_fine_tuning_at_its_own():
    def runs(rate, weight, validation, top1):
        setting = Setting(1.0, rate, "self_distillation", weight)
        return [Run(setting, 1, seed, top1, 1.0, None, validation, 0.25, 60) for seed in (0, 1)]

    plain, taught = (
        runs(0.1, 0.0, 0.6, 0.5) + runs(1.0, 0.0, 0.3, 0.7),
        runs(0.1, 9.0, 0.4, 0.4) + runs(1.0, 9.0, 0.9, 0.8),
    )
    best = [line for line in as_table(plain + taught, 4).splitlines() if "best rate |" in line]
    assert best == [
        "| λ = 0, best rate | 100 % | 0.1 | 50.0 ± 0.0 |  |  |  |  |  | 60 | 0.25 | 2 |",
        "| λ = 9, best rate | 100 % | 1 | 80.0 ± 0.0 | +30.0 ± 0.0 | 0.5 |  |  |  | 60 | 0.25 | 2 |",
    ]


def test_a_comparison_at_one_learning_rate_carries_a_note():
    one = runs_of(PLAIN, [0.4]) + runs_of(TAUGHT, [0.5])
    other = runs_of(replace(PLAIN, learning_rate=0.2), [0.4])
    assert "one learning rate only" in as_table(one, 4)
    assert "one learning rate only" not in as_table(one + other, 4) + as_table(runs_of(TAUGHT, [0.5]), 4)
