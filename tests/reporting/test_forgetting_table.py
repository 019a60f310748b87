from __future__ import annotations

import pytest

from hf_selfdistill.reporting.forgetting_table import as_markdown, quote, why_none

INTERVAL = {"value": 0.5, "low": 0.4, "high": 0.62}
DRIFT = {
    "cka": {"value": 0.25, "low": 0.2, "high": 0.3},
    "layers": [{"name": "stages.0", "cka": {"value": 0.75, "low": None, "high": None}}],
    "cosine": {"value": 0.9, "low": 0.8, "high": 1.0},
    "relative_l2": INTERVAL,
    "weight_distance": 0.1,
    "effective_rank_before": {"value": 12.34, "low": 11.0, "high": 13.0},
    "effective_rank_after": {"value": 3.21, "low": 3.0, "high": 4.0},
}
LABELLED = {
    "retention": INTERVAL,
    "retention_knn": {"value": 0.25, "low": 0.1, "high": 0.4},
    "before": {"linear_probe_top1": {"value": 0.9, "low": 0.8, "high": 1.0}},
    "after": {"linear_probe_top1": INTERVAL},
    "chance": 0.125,
    "objective": None,
    "drift": DRIFT,
    "protocol": "4 clips per video",
}
UNLABELLED = {key: value for key, value in LABELLED.items() if key not in ("before", "after")} | {"retention": None}


def test_the_sentence_has_the_retention_with_its_interval():
    said = "retention 0.50 (0.40 … 0.62) of what a linear probe reads off the encoder; 4 clips per video"
    assert quote(LABELLED) == said and as_markdown(LABELLED).splitlines()[2] == f"{said[0].upper()}{said[1:]}."


def test_the_table_has_accuracies_before_and_after_beside_chance():
    rows = as_markdown(LABELLED).splitlines()
    assert "| linear probe, top-1 | 90.0 (80.0 … 100.0) | 50.0 (40.0 … 62.0) |" in rows
    assert "| chance | 12.5 | |" in rows
    assert "Of what kNN reads off, 0.25 (0.10 … 0.40) is retained." in rows
    assert "kNN reads" not in as_markdown(LABELLED | {"retention_knn": None})


def test_drift_is_told_layer_by_layer():
    rows = as_markdown(LABELLED).splitlines()
    assert {"| CKA of the features | 0.250 (0.200 … 0.300) |", "| CKA of stages.0 | 0.750 |"} < set(rows)
    assert "| mean cosine of the features | 0.900 (0.800 … 1.000) |" in rows
    assert "| effective rank of the features before | 12.3 (11.0 … 13.0) |" in rows


def test_alikeness_without_a_value_says_why():
    blank = LABELLED | {"drift": DRIFT | {"cka": None, "layers": [{"name": "stages.0", "cka": None}]}}
    why = "unknown, features do not vary or are of fewer than 4 videos"
    assert {f"| CKA of the features | {why} |", f"| CKA of stages.0 | {why} |"} < set(as_markdown(blank).splitlines())


def test_the_objectives_own_metric_is_told_where_it_was_measured():
    before = {"value": 0.75, "low": 0.7, "high": 0.8}
    own = {"name": "rspnet", "before": {"speed_accuracy": before}, "after": {"speed_accuracy": INTERVAL}}
    rows = as_markdown(LABELLED | {"objective": own}).splitlines()
    row = rows[rows.index("| rspnet, its own metric | before | after |") + 2]
    assert row == "| speed_accuracy | 0.750 (0.700 … 0.800) | 0.500 (0.400 … 0.620) |"
    assert "own metric" not in as_markdown(LABELLED)


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (UNLABELLED, "the reference set has no labels"),
        (
            LABELLED | {"retention": None},
            "before fine-tuning the encoder was not surely better than chance on the reference set",
        ),
    ],
)
def test_without_a_retention_it_says_why_and_quotes_the_drift(report, why):
    assert why_none(report) == why
    assert quote(report) == f"no retention: {why}; CKA to the encoder before 0.250 (0.200 … 0.300); 4 clips per video"
    assert "| CKA of the features | 0.250 (0.200 … 0.300) |" in as_markdown(report)
