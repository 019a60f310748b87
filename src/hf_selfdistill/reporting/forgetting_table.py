"""The report of forgetting, in words and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_selfdistill.evaluation.retrieval import TOP_K

__all__ = ["NAMES", "as_markdown", "cka_in_words", "in_words", "quote", "why_none"]

NAMES = {
    "linear_probe_top1": "linear probe, top-1",
    "knn_top1": "kNN, top-1",
    **{f"retrieval_top{k}": f"retrieval, top-{k}" for k in TOP_K},
}
"""Measurement in forgetting.json → in words."""


def quote(report: dict[str, Any]) -> str:
    """The one number, in a sentence."""
    retained = report["retention"]
    if retained is not None:
        return f"retention {in_words(retained, 2)} of what a linear probe reads off the encoder; {report['protocol']}"
    alike = cka_in_words(report["drift"]["cka"])
    return f"no retention: {why_none(report)}; CKA to the encoder before {alike}; {report['protocol']}"


def why_none(report: Mapping[str, Any]) -> str:
    """Why there is no retention where there is none."""
    if "before" not in report:
        return "the reference set has no labels"
    return "before fine-tuning the encoder was not surely better than chance on the reference set"


def cka_in_words(cka: Mapping[str, float | None] | None) -> str:
    """With its interval, or why it has no value."""
    return "unknown, features do not vary or are of fewer than 4 videos" if cka is None else in_words(cka, 3)


def in_words(estimate: Mapping[str, float | None], places: int) -> str:
    """A figure and, where it is known, its interval."""
    value, low, high = (estimate[name] for name in ("value", "low", "high"))
    return f"{value:.{places}f}" + ("" if low is None else f" ({low:.{places}f} … {high:.{places}f})")


def as_markdown(report: dict[str, Any]) -> str:
    """All figures: accuracies before and after with their intervals, the retention, the drift."""
    lines = ["# What was forgotten", "", quote(report)[0].upper() + quote(report)[1:] + ".", ""]
    if "before" in report:
        lines += ["| on the reference set | before, % | after, % |", "|---|---|---|"]
        rows = [(NAMES[name], report["before"][name], report["after"][name]) for name in report["before"]]
        lines += [f"| {name} | {_percent(before)} | {_percent(after)} |" for name, before, after in rows]
        lines += [f"| chance | {100 * report['chance']:.1f} | |", ""]
        if report["retention_knn"] is not None:
            lines += [f"Of what kNN reads off, {in_words(report['retention_knn'], 2)} is retained.", ""]
    if report["objective"] is not None:
        own = report["objective"]
        lines += [f"| {own['name']}, its own metric | before | after |", "|---|---|---|"]
        lines += [f"| {name} | {in_words(old, 3)} | {in_words(own['after'][name], 3)} |"
                  for name, old in own["before"].items()] + [""]  # fmt: skip
    moved = report["drift"]
    lines += ["| drift | |", "|---|---|", f"| CKA of the features | {cka_in_words(moved['cka'])} |"]
    lines += [f"| CKA of {layer['name']} | {cka_in_words(layer['cka'])} |" for layer in moved["layers"]]
    lines += [
        f"| mean cosine of the features | {in_words(moved['cosine'], 3)} |",
        f"| mean relative distance of the features | {in_words(moved['relative_l2'], 3)} |",
        f"| relative distance of the weights | {moved['weight_distance']:.3f} |",
        f"| effective rank of the features before | {in_words(moved['effective_rank_before'], 1)} |",
        f"| effective rank of the features after | {in_words(moved['effective_rank_after'], 1)} |",
    ]
    return "\n".join([*lines, ""])


def _percent(estimate: Mapping[str, float | None]) -> str:
    return in_words({name: None if value is None else 100 * value for name, value in estimate.items()}, 1)
