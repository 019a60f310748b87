"""Warnings of runs, below the table that compares them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from hf_selfdistill.training.accuracies import only_prediction
from hf_selfdistill.training.record import RunRecord

__all__ = ["describe_warnings"]


def describe_warnings(records: Collection[RunRecord]) -> str:
    """Return a Markdown list of warnings, each with the number of models it applies to; "" without warnings.

    Args:
        records: records of all models of a table.
    """
    counts: Counter[str] = Counter()
    for record in records:
        only = only_prediction(record.latest("classification") or {})
        counts.update(dict.fromkeys([*record.warnings, *([f"In the test, {only}"] if only else [])]).keys())
    lines = [f"- {count} of {len(records)} models: {text}\n" for text, count in counts.items()]
    return "".join(["\nWarnings of the runs:\n\n", *lines]) if lines else ""
