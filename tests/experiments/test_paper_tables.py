from __future__ import annotations

import pytest

from hf_selfdistill.experiments.paper_tables import Cell, table_1, table_2


def rows_of(table, *start):
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return [row[len(start) :] for row in rows if row[: len(start)] == list(start)]


def test_without_runs_the_tables_have_only_the_papers_rows():
    one, two = table_1({}), table_2({})
    assert rows_of(one, "C3D", "3D ST") == [["paper", "60.6", "", "28.3", ""]]
    assert rows_of(one, "R(2+1)D", "Pace") == [["paper", "77.1", "", "36.6", ""]]
    assert rows_of(one, "C3D", "Ours (λ = 100 on UCF101, 0.1 on HMDB51)") == [
        ["paper", "78.6", "94.6", "45.8", "76.5"]
    ]
    assert rows_of(one, "R(2+1)D", "RSPNet* (λ = 0)") == [["paper", "80.2", "95.0", "44.1", "75.6"]]
    assert rows_of(one, "R(2+1)D", "Ours − RSPNet*") == [["paper", "+2.1", "+1.3", "+3.2", "+2.2"]]
    assert rows_of(two, "C3D", "RSPNet baseline") == [["paper", "77.1", "93.5", "43.9", "76.5"]]
    assert rows_of(two, "R(2+1)D", "Ours (λ = 1000)") == [["paper", "81.5", "96.1", "47.3", "77.8"]]
    assert len(one.splitlines()) == 2 + 3 + 3 + 2 + 3 and len(two.splitlines()) == 2 + 2 * 6


def test_measurements_are_below_the_papers_row_by_choice_of_the_epoch():
    measured = {
        Cell("c3d", "ucf101", 0.0, "last"): {(1, 0): (0.5, 0.9), (1, 1): (0.7, 0.9)},
        Cell("c3d", "ucf101", 0.0, "test"): {(1, 0): (0.75, 0.95)},
        Cell("c3d", "hmdb51", 0.0, "last"): {(1, 0): (0.4, 0.8)},
    }
    for rows in (rows_of(table_1(measured), "C3D", "RSPNet* (λ = 0)"), rows_of(table_2(measured), "C3D")[:3]):
        paper, last, best = (row[-5:] for row in rows)
        assert paper == ["paper", "77.1", "93.5", "43.9", "76.5"]
        assert last == ["here, last epoch", "60.0 ± 14.1", "90.0 ± 0.0", "40.0", "80.0"]
        assert best == ["here, best epoch on test (the released code's way)", "75.0", "95.0", "", ""]


def test_differences_are_between_runs_with_the_same_split_and_seed():
    measured = {
        Cell("c3d", "ucf101", 0.0, "last"): {(1, 0): (0.5, 0.9), (1, 1): (0.6, 0.9), (2, 0): (0.1, 0.1)},
        Cell("c3d", "ucf101", 100.0, "last"): {(1, 0): (0.52, 0.9), (1, 1): (0.66, 0.8), (3, 0): (0.9, 0.9)},
    }
    _, here = rows_of(table_1(measured), "C3D", "Ours − RSPNet*")
    assert here == ["here, last epoch", "+4.0 ± 2.8", "-5.0 ± 7.1", "", ""]


@pytest.mark.parametrize("weight", [0.5, 3000.0])
def test_a_weight_that_is_not_in_the_paper_gets_a_row_in_table_2(weight):
    table = table_2({Cell("r2plus1d", "hmdb51", weight, "last"): {(1, 0): (0.4, 0.8)}})
    assert rows_of(table, "R(2+1)D", f"Ours (λ = {weight:g})") == [["here, last epoch", "", "", "40.0", "80.0"]]
