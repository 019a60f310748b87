"""The comparison of an encoder before and after fine-tuning, as a sentence and as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_selfdistill.evaluation.retrieval import TOP_K
from hf_selfdistill.reporting.tables import Table

__all__ = ["as_markdown", "forgetting_tables", "quote", "reason_without_retention"]

NAMES = {
    "linear_probe_top1": "linear probe, top-1",
    "knn_top1": "kNN, top-1",
    **{f"retrieval_top{k}": f"retrieval, top-{k}" for k in TOP_K},
}
"""Measurement of `compare` → its name in a table."""


def quote(report: Mapping[str, Any]) -> str:
    """Return the most important number in a sentence."""
    retained = report["retention"]
    if retained is not None:
        value = f"retention {_estimate(retained, 2)} of the accuracy of a linear probe{_beside(report)}"
        return f"{value}; {report['protocol']}"
    reason, cka = reason_without_retention(report), _cka(report["drift"]["cka"])
    return f"no retention: {reason}; CKA to the encoder before {cka}; {report['protocol']}"


def _beside(report: Mapping[str, Any]) -> str:
    """Return the points and the retention of random weights; "" for a report of an earlier version."""
    if "random" not in report:
        return ""
    points, nothing = _percent(report["difference"]), _estimate(report["retention_of_random_weights"], 2)
    return f", {points} points; random weights have {nothing}"


def reason_without_retention(report: Mapping[str, Any]) -> str:
    """Explain why a report has no retention."""
    if "before" not in report:
        return "the reference set has no labels"
    return "before fine-tuning the encoder was not significantly better than chance on the reference set"


def forgetting_tables(report: Mapping[str, Any]) -> list[Table]:
    """Return accuracies and metrics of the objective before and after fine-tuning, as far as known, and the drift."""
    tables = []
    if "before" in report:
        encoders = {"before": "before, %", "after": "after, %", "random": "random weights, %"}
        shown = [when for when in encoders if when in report]
        rows = [(NAMES[name], *(_percent(report[when][name]) for when in shown)) for name in report["before"]]
        rows.append(("chance", f"{100 * report['chance']:.1f}", *[""] * (len(shown) - 1)))
        head = ("on the reference set", *(encoders[when] for when in shown))
        tables.append(Table("Accuracy of frozen features", head, rows))
    if own := report["objective"]:
        rows = [(name, _estimate(old, 3), _estimate(own["after"][name], 3)) for name, old in own["before"].items()]
        caption = f"Metrics of {own['name']}, the objective of the pre-training"
        tables.append(Table(caption, (f"metric of {own['name']}", "before", "after"), rows))
    return [*tables, _drift_table(report["drift"])]


def _drift_table(drift: Mapping[str, Any]) -> Table:
    rows = [
        ("CKA of the features", _cka(drift["cka"])),
        *((f"CKA of {layer['name']}", _cka(layer["cka"])) for layer in drift["layers"]),
        ("mean cosine of the features", _estimate(drift["cosine"], 3)),
        ("mean relative distance of the features", _estimate(drift["relative_l2"], 3)),
        ("relative distance of the weights", f"{drift['weight_distance']:.3f}"),
        ("effective rank of the features before", _estimate(drift["effective_rank_before"], 1)),
        ("effective rank of the features after", _estimate(drift["effective_rank_after"], 1)),
    ]
    return Table("Drift of features and weights", ("drift", "value"), rows)


def as_markdown(report: Mapping[str, Any]) -> str:
    """Return the whole report in Markdown: retention, accuracies before and after with their intervals, drift."""
    sentence = quote(report)
    parts = ["# Forgetting", f"{sentence[0].upper()}{sentence[1:]}."]
    if report.get("retention_knn") is not None:
        parts.append(f"Retention of the accuracy of kNN: {_estimate(report['retention_knn'], 2)}.")
    return "\n\n".join([*parts, *(table.as_markdown() for table in forgetting_tables(report))]) + "\n"


def _cka(cka: Mapping[str, float | None] | None) -> str:
    return "unknown: constant features, or fewer than 4 videos" if cka is None else _estimate(cka, 3)


def _estimate(estimate: Mapping[str, float | None], places: int) -> str:
    """Format a value and, if it is known, its interval."""
    value, low, high = (estimate[name] for name in ("value", "low", "high"))
    return f"{value:.{places}f}" + ("" if low is None else f" ({low:.{places}f} … {high:.{places}f})")


def _percent(estimate: Mapping[str, float | None]) -> str:
    return _estimate({name: None if value is None else 100 * value for name, value in estimate.items()}, 1)
