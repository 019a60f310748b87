from __future__ import annotations

import pytest

from hf_selfdistill.reporting.forgetting_table import (
    as_markdown,
    forgetting_tables,
    quote,
    reason_without_retention,
)

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
UNLABELLED = {"retention": None, "objective": None, "drift": DRIFT, "protocol": "4 clips per video"}


def test_the_sentence_has_the_retention_with_its_interval():
    sentence = "retention 0.50 (0.40 … 0.62) of the accuracy of a linear probe; 4 clips per video"
    assert quote(LABELLED) == sentence
    assert as_markdown(LABELLED).splitlines()[2] == f"{sentence[0].upper()}{sentence[1:]}."


def test_the_first_table_has_accuracies_before_and_after_and_chance():
    accuracies, _ = forgetting_tables(LABELLED)
    assert accuracies.rows == [
        ("linear probe, top-1", "90.0 (80.0 … 100.0)", "50.0 (40.0 … 62.0)"),
        ("chance", "12.5", ""),
    ]


def test_the_last_table_has_the_drift_by_layer():
    (drift,) = forgetting_tables(UNLABELLED)
    assert drift.rows == [
        ("CKA of the features", "0.250 (0.200 … 0.300)"),
        ("CKA of stages.0", "0.750"),
        ("mean cosine of the features", "0.900 (0.800 … 1.000)"),
        ("mean relative distance of the features", "0.500 (0.400 … 0.620)"),
        ("relative distance of the weights", "0.100"),
        ("effective rank of the features before", "12.3 (11.0 … 13.0)"),
        ("effective rank of the features after", "3.2 (3.0 … 4.0)"),
    ]


def test_an_unknown_cka_gives_the_reason():
    blank = UNLABELLED | {"drift": DRIFT | {"cka": None, "layers": [{"name": "stages.0", "cka": None}]}}
    reason = "unknown: constant features, or fewer than 4 videos"
    (drift,) = forgetting_tables(blank)
    assert drift.rows[:2] == [("CKA of the features", reason), ("CKA of stages.0", reason)]


def test_metrics_of_the_objective_have_a_table_if_they_were_measured():
    before = {"value": 0.75, "low": 0.7, "high": 0.8}
    own = {"name": "rspnet", "before": {"speed_accuracy": before}, "after": {"speed_accuracy": INTERVAL}}
    _, objective, _ = forgetting_tables(LABELLED | {"objective": own})
    assert objective.head == ("metric of rspnet", "before", "after")
    assert objective.rows == [("speed_accuracy", "0.750 (0.700 … 0.800)", "0.500 (0.400 … 0.620)")]


def test_markdown_has_all_tables_and_the_retention_of_knn():
    lines = as_markdown(LABELLED).splitlines()
    assert "| linear probe, top-1 | 90.0 (80.0 … 100.0) | 50.0 (40.0 … 62.0) |" in lines
    assert "| CKA of stages.0 | 0.750 |" in lines
    assert "Retention of the accuracy of kNN: 0.25 (0.10 … 0.40)." in lines
    assert "kNN:" not in as_markdown(LABELLED | {"retention_knn": None})


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (UNLABELLED, "the reference set has no labels"),
        (
            LABELLED | {"retention": None},
            "before fine-tuning the encoder was not significantly better than chance on the reference set",
        ),
    ],
)
def test_without_a_retention_the_sentence_gives_the_reason_and_the_cka(report, reason):
    assert reason_without_retention(report) == reason
    assert (
        quote(report) == f"no retention: {reason}; CKA to the encoder before 0.250 (0.200 … 0.300); 4 clips per video"
    )
