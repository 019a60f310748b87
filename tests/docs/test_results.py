"""The pages of results show what the committed runs say."""

from __future__ import annotations

import csv
import importlib.util
import sys

import pytest
from guides import ROOT
from PIL import Image

PAGES = [ROOT / "docs" / "results.md", ROOT / "README.md", *sorted((ROOT / "docs" / "results").glob("*.md"))]
RUNS = [file for file in sorted((ROOT / "docs" / "data").glob("*.csv")) if file.stem != "rspnet_on_fight"]


def module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


def test_make_results_would_change_no_page_and_no_figure():
    results = module("results")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert results.rewritten(text) == text, f"run `make results`: {page}"
    figure = Image.open(ROOT / "docs" / "figures" / "frontier.png")
    assert figure.info["Description"] == results.shown(results.frontier_points()), "run `make results`"


def test_the_summary_fits_on_a_page():
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.parametrize("file", RUNS, ids=lambda file: file.stem)
def test_each_run_has_its_identity_commit_seed_and_time(file):
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    assert rows
    for row in rows:
        assert len(row["identity"]) == 16 and len(row["commit"]) == 40 and row["seed"].isdigit()
        assert float(row["wall_seconds"]) > 0 and float(row["ce_loss"]) >= 0 and int(row["steps"]) > 0


@pytest.mark.slow
def test_a_grid_runs_in_one_process_and_a_second_call_adds_nothing(tmp_path, fine_tuned, shapes, tiny_flags):
    evidence, file = module("evidence"), tmp_path / "rows.csv"
    recipe = {
        "distill_weight": None,
        "model_name_or_path": fine_tuned,
        "config_overrides": None,
        "num_train_epochs": 1,
    }
    words = tiny_flags(shapes, tmp_path / "out", save_strategy="no", **recipe)
    words += ["--reference_dataset", "moving_shapes", "--reference_root", str(shapes), "--num_clips", "1"]
    words += ["--distill_weights", "0", "--seeds", "0", "--and", "--regularizers", "lp_ft", "wise_ft"]
    for _ in range(2):
        evidence.main([str(file), *words])
        rows = list(csv.DictReader(file.open(encoding="utf-8")))
        assert [row["regularizer"] for row in rows[:2]] == ["self_distillation", "lp_ft"] and len(rows) == 11
        assert all(0 <= float(row["top1"]) <= 1 and float(row["cka"]) <= 1.01 for row in rows)
