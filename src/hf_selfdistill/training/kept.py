"""Retention and drift of a fine-tuning as text, for card, report and log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["kept_rows"]


def kept_rows(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return retention and drift as text, by name; empty if neither was measured.

    Args:
        metrics: the metrics of a record.
    """
    rows = {}
    retention, drift = metrics.get("retention"), metrics.get("drift")
    if retention is not None:
        if retention["value"] is not None:
            rows["retention"] = _text(retention)
        before, after = (retention[when]["linear_probe_top1"] for when in ("before", "after"))
        rows["linear probe before and after"] = f"{before:.3f}, {after:.3f} (chance {retention['chance']:.3f})"
    if drift is not None:
        if drift["cka"] is not None:
            rows["CKA with the encoder before"] = _text(drift["cka"])
        rows["relative distance of the features"] = _text(drift["relative_l2"])
    return rows


def _text(estimate: Mapping[str, float | None]) -> str:
    low, high = estimate["low"], estimate["high"]
    return f"{estimate['value']:.2f}" + ("" if low is None else f" ({low:.2f} … {high:.2f})")
