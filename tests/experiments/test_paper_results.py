from __future__ import annotations

from hf_selfdistill.experiments.paper_results import BEST_WEIGHT, OTHER_METHODS, TABLE_2, paper_accuracy


def test_the_papers_numbers_apply_only_to_its_data_sets():
    assert paper_accuracy("r2plus1d", "hmdb51", 51, 1000) == (47.3, 77.8)
    assert paper_accuracy("c3d", "ucf101", 17, 0) is None and paper_accuracy("c3d", "folder", 101, 0) is None


def test_the_best_weights_are_those_of_table_1():
    assert BEST_WEIGHT == {
        ("c3d", "ucf101"): 100,
        ("c3d", "hmdb51"): 0.1,
        ("r2plus1d", "ucf101"): 100,
        ("r2plus1d", "hmdb51"): 1000,
    }


def test_both_tables_are_complete():
    assert all(len(of_row) == 6 for of_row in TABLE_2.values())
    assert {method for methods in OTHER_METHODS.values() for method in methods} == {"3D ST", "MAS", "RSPNet", "Pace"}
