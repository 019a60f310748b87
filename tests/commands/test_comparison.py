import csv
import json

import pytest

from hf_selfdistill.cli import comparison
from hf_selfdistill.commands.comparison import Place, write_comparison
from hf_selfdistill.experiments.comparison import Setting

TOP1 = {(0.0, 0): 0.50, (0.0, 1): 0.60, (10.0, 0): 0.55, (10.0, 1): 0.70}  # by λ and seed
ACCURACIES = {"video_top5": 1.0, "clip_top1": 0.4, "clip_top5": 1.0, "num_videos": 6}


@pytest.fixture
def tested(tmp_path, done_record):
    """Four finished runs; of the one with λ = 10 and seed 1 retention was not measured."""
    models = {}
    for (weight, seed), top1 in TOP1.items():
        folder = tmp_path / f"w{weight:g}-r{seed}"
        folder.mkdir()
        write = {
            "evaluation.json": {"video_top1": top1, **ACCURACIES, "protocol": "two clips"},
            "config.json": {"model_type": "c3d", "id2label": {"0": "moving_left", "1": "moving_right"}},
            "done.json": done_record(7.5),
        }
        if (weight, seed) != (10.0, 1):
            write["forgetting.json"] = {"retention": {"value": 0.5 + weight / 100, "low": 0.4, "high": 0.8}}
        for name, content in write.items():
            (folder / name).write_text(json.dumps(content))
        models[Place(Setting(1.0, 0.05, "self_distillation", weight), 1, seed)] = comparison.Tested(folder, folder)
    return models


def test_a_line_of_the_csv_says_all_of_a_run(tested, tmp_path):
    write_comparison(tmp_path, tested, "moving_shapes")
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [(row["distill_weight"], row["seed"], row["video_top1"]) for row in rows] == [
        (str(weight), str(seed), str(top1)) for (weight, seed), top1 in TOP1.items()
    ]
    first, last = rows[0], rows[-1]
    assert (first["wall_seconds"], first["commit"], first["decoder"], first["protocol"]) == (
        "7.5",
        "c",
        "d",
        "two clips",
    )
    assert (first["test_hash"], first["test_commit"], first["test_decoder"]) == ("t", "e", "f")
    assert (first["retention"], first["retention_low"], first["retention_high"]) == ("0.5", "0.4", "0.8")
    assert last["retention"] == last["retention_low"] == ""


def test_the_table_has_means_and_paired_differences(tested, tmp_path):
    write_comparison(tmp_path, tested, "moving_shapes")
    table = (tmp_path / "table.md").read_text()
    assert "55.0 ± 7.1" in table  # 50 and 60
    assert "62.5 ± 10.6" in table and "+7.5 ± 3.5" in table  # 55 and 70: five and ten points more


def test_why_there_is_no_retention_is_said_where_it_was_measured(tested, tmp_path):
    write_comparison(tmp_path, tested, "moving_shapes")
    assert "no retention, because" not in (tmp_path / "table.md").read_text()
    for of in tested.values():
        (of.folder / "forgetting.json").write_text(json.dumps({"retention": None}))
    write_comparison(tmp_path, tested, "moving_shapes")
    assert "4 of 4 runs have no retention, because" in (tmp_path / "table.md").read_text()


def test_weights_and_the_frontier_are_drawn(tested, tmp_path):
    write_comparison(tmp_path, tested, "moving_shapes")
    for name in ("weights.png", "frontier.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
