from __future__ import annotations

import pytest

from hf_selfdistill.commands.job import Job
from hf_selfdistill.commands.reproduction_costs import (
    Step,
    finetuning_hours,
    pass_hours,
    plan_table,
    pretraining_hours,
    stored_gigabytes,
    wall_hours,
)


def test_pre_training_as_the_authors_did_it_costs_what_they_said():
    assert pretraining_hours("c3d", 240_000, 200) == pytest.approx(150 * 4)
    assert pretraining_hours("r2plus1d", 240_000, 200) == pytest.approx(187 * 6)
    assert pass_hours("c3d") * 3600 == pytest.approx(9.0e-3) and pass_hours("r2plus1d") * 3600 == pytest.approx(
        0.01683
    )


@pytest.mark.parametrize(
    ("dataset", "with_teacher", "passes"),
    [
        ((8_487, 1_050, 3_783), False, 25_461 * 100 + 4_833 * 100 + 113_490),
        ((8_487, 1_050, 3_783), True, 33_948 * 100 + 4_833 * 100 + 113_490),
        ((3_183, 387, 1_530), False, 9_549 * 100 + 1_917 * 100 + 45_900),
    ],
)
def test_fine_tuning_is_three_passes_a_clip_and_the_teacher_a_fourth(dataset, with_teacher, passes):
    hours = finetuning_hours("c3d", with_teacher, dataset, epochs=100, test_clips=30)
    assert hours == pytest.approx(passes * 9.0e-3 / 3600)


def test_the_estimate_of_a_pass_lies_between_the_two_times_of_fine_tuning_that_the_authors_gave():
    def passes(train, test, epochs):
        return (3 * train + test) * epochs + 10 * test

    ucf101 = 0.52 * 4 / passes(9_537, 3_783, 30)
    hmdb51 = 2.27 * 2 / passes(3_570, 1_530, 100)
    assert ucf101 * 3600 == pytest.approx(7.4e-3, abs=5e-5) and hmdb51 * 3600 == pytest.approx(13.2e-3, abs=5e-5)
    assert ucf101 < pass_hours("c3d") < hmdb51


def test_the_disk_holds_one_more_checkpoint_than_is_kept_while_it_is_written():
    assert stored_gigabytes(27_661_440, 3, 3, 2) == pytest.approx(4 * 27_661_440 * (3 + 3 * 3) / 1e9)
    assert stored_gigabytes(27_661_440, 3, 3, 0) == pytest.approx(4 * 27_661_440 * 3 / 1e9)


def test_stage_one_has_all_devices_together_and_stage_two_each_for_itself():
    assert wall_hours([600, 1122], 4, each_on_all=True) == pytest.approx(430.5)
    assert wall_hours([8, 10, 3, 4], 2, each_on_all=False) == 14  # 8 + 3 and 10 + 4
    assert wall_hours([], 3, each_on_all=False) == 0


def test_the_sum_of_the_plan_is_of_what_is_still_to_do(tmp_path):
    done, todo = Job(tmp_path / "runs" / "a", ()), Job(tmp_path / "runs" / "b", (("pretrain",),))
    lines = plan_table([Step(done, "x", 5.0, 1.0), Step(todo, "y", 7.0, 2.0)]).splitlines()
    assert lines[2:] == [
        "| runs/a | x | 5.0 | 1.0 | done |",
        "| runs/b | y | 7.0 | 2.0 | to do |",
        "| 1 to do |  | 7.0 | 2.0 |  |",
    ]
