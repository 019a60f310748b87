from __future__ import annotations

from records import classified, fine_tuning, knn

from hf_selfdistill.reporting.confusion import ConfusedPair
from hf_selfdistill.reporting.tables import Table, class_table, pair_table, result_tables, run_tables

PERCENT = "\N{NO-BREAK SPACE}%"


def test_a_table_is_written_in_markdown():
    assert Table("caption", ("a", "b"), [("1", "2")]).as_markdown() == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_accuracies_of_validation_test_and_baseline_have_their_rows():
    baseline = classified().values | {"protocol": "test, plain", "video_top1": 0.25}
    (table,) = result_tables(fine_tuning(results=[classified(baseline=baseline), classified("other weights")]))
    assert table.head == ("measured on", "videos", "video top-1", "clip top-1")
    assert table.rows == [
        ("ucf101 split 2 validation, 1 clip", "8", f"62.5{PERCENT}", f"50.0{PERCENT}"),
        ("ucf101 split 2 test, 10 clips", "4", f"75.0{PERCENT}", f"70.0{PERCENT}"),
        ("test, plain — the same with λ = 0", "4", f"25.0{PERCENT}", f"70.0{PERCENT}"),
    ]


def test_frozen_features_have_their_own_table():
    (table,) = result_tables(fine_tuning(metrics={}, results=[knn(), knn("other weights", "elsewhere")]))
    assert table.rows == [("ucf101 test against 12 videos", "knn", "top-1 0.500", "4")]


def test_pairs_and_classes_are_counted():
    assert pair_table([ConfusedPair("run", "walk", 2, 0.5)]).rows == [("run", "walk", "2", f"50.0{PERCENT}")]
    assert class_table({"run": 1.0, "walk": 0.5}, {"run": 3, "walk": 4}).rows == [
        ("walk", f"50.0{PERCENT}", "4"),
        ("run", f"100.0{PERCENT}", "3"),
    ]


def test_a_run_is_described_by_inputs_settings_software_and_changes():
    change = {"step": 6, "parameter": "learning_rate", "before": None, "after": 0.01}
    tables = {table.caption: table.rows for table in run_tables(fine_tuning(changes=[change]))}
    assert tables["Inputs"][0] == ("encoder", "", "e" * 64) and tables["Inputs"][1] == ("train", "12", "a" * 64)
    assert tables["Method"] == [("λ", "10")] and tables["Hyper-parameter"] == [("learning rate", "0.05")]
    assert tables["Software"] == [("torch", "2.14.1")]
    assert tables["Parameters changed on resuming"] == [["6", "learning_rate", "default", "0.01"]]
    assert "Parameters changed on resuming" not in [table.caption for table in run_tables(fine_tuning())]
