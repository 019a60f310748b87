"""What the frozen features of an encoder told of videos, as a table in its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["add_feature_results", "feature_table"]

BEGIN, END = "<!-- features: begin -->", "<!-- features: end -->"
HEAD = "| task | accuracy | videos | measured on |\n|---|---|---|---|"


def feature_table(rows: Sequence[str]) -> str:
    """Between two marks, by which `add_feature_results` finds it again."""
    return "\n".join([BEGIN, HEAD, *rows, END] if rows else [BEGIN, "Nothing has been measured yet.", END])


def add_feature_results(file: Path, task: str, results: Mapping[str, Any]) -> bool:
    """Puts what was measured into a card that lies in a file, in the place of the same task on the same videos.

    Args:
        file: the card.
        task: `"retrieval"`, `"linear_probe"` or `"knn"`.
        results: its figures, `{task}_top{k}` as fractions of 1, `num_videos` and `protocol`.

    Returns:
        Whether the file is a card with a place for it; another one is left as it is.
    """
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if BEGIN not in text or END not in text:
        return False
    before, rest = text.split(BEGIN, 1)
    old, after = rest.split(END, 1)
    figures = {name.removeprefix(f"{task}_top"): value for name, value in results.items() if name.startswith(task)}
    accuracy = ", ".join(f"top-{k} {value:.3f}" for k, value in figures.items())
    row = f"| {task.replace('_', ' ')} | {accuracy} | {results['num_videos']} | {results['protocol']} |"
    kept = [line for line in old.splitlines()[3:] if _is_of(line) != _is_of(row)]
    file.write_text(before + feature_table([*kept, row]) + after, encoding="utf-8")
    return True


def _is_of(row: str) -> tuple[str, str]:
    """Task and protocol, up to the setting that was found best."""
    cells = row.strip("| ").split(" | ")
    return cells[0], cells[-1].split(";")[0]
