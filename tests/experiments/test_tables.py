import csv

import pytest

from hf_selfdistill.experiments.comparison import Setting
from hf_selfdistill.experiments.grid import Place
from hf_selfdistill.experiments.tables import row_of, write_comparison, write_csv
from hf_selfdistill.training.record import Input, Result, RunRecord


@pytest.fixture
def folders(tmp_path):
    found = {}
    for weight, top1 in ((0.0, 0.5), (10.0, 0.75)):
        values = {"video_top1": top1, "video_top5": 1.0, "clip_top1": top1, "clip_top5": 1.0, "num_videos": 8}
        forgetting = {"protocol": "q", "retention": {"value": 0.9, "low": 0.8, "high": 1.0}}
        results = [Result("classification", "w", {**values, "protocol": "p"}), Result("forgetting", "w", forgetting)]
        model = {"model_type": "c3d", "dataset": "folder", "classes": ["a", "b"]}
        record = RunRecord("finetune", {}, "i", {"train": Input("t", 3)}, model=model, weights="w", results=results)
        record.save(tmp_path / f"{weight:g}")
        found[Place(Setting(1.0, 0.1, "self_distillation", weight), 1, 0)] = tmp_path / f"{weight:g}"
    return found


def test_table_and_csv_are_made_from_the_records(folders, tmp_path):
    table = write_comparison(tmp_path, folders)
    assert "| λ = 10 | 100 % | 0.1 | 75.0 | +25.0 ± 0.0 |" in table and (tmp_path / "table.md").read_text() == table
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [row["video_top1"] for row in rows] == ["0.5", "0.75"] and rows[0]["train_hash"] == "t"
    assert rows[1]["retention_low"] == "0.8" and rows[1]["identity"] == "i"


def test_the_warnings_of_the_runs_are_below_the_table(folders, tmp_path):
    folder = next(iter(folders.values()))
    record = RunRecord.load(folder)
    record.warnings = ["An epoch has a single step"]
    record.save(folder)
    assert write_comparison(tmp_path, folders).endswith("- 1 of 2 models: An epoch has a single step\n")


def test_a_row_without_a_reference_set_has_no_retention(folders):
    folder = next(iter(folders.values()))
    record = RunRecord.load(folder)
    record.results.pop()
    assert row_of(folder, record)["retention"] is None


def test_a_missing_value_is_an_empty_cell(tmp_path):
    write_csv(tmp_path / "a.csv", [{"a": 1}, {"a": 2, "b": 3}])
    assert (tmp_path / "a.csv").read_text() == "a,b\n1,\n2,3.0\n"
