"""What was measured, as a table and as metadata of a model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard

from hf_selfdistill.training.accuracies import silent, telling, with_a_blank

__all__ = ["Result", "add_results", "metadata_of", "table"]

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
HEAD = "| measured on | videos |"


@dataclass
class Result:
    """A measurement.

    Args:
        dataset: name of the data set, as `load_video_dataset` takes it.
        part: `"validation"` or `"test"`.
        protocol: in words, what was measured on.
        metrics: `num_videos` and `video_top1`, `video_top5`, `clip_top1`, `clip_top5` as fractions of 1.
        classes: how many the model has.
        model: what was measured, if not the model of the card.
    """

    dataset: str
    part: str
    protocol: str
    metrics: Mapping[str, Any]
    classes: int
    model: str | None = None

    @property
    def row(self) -> str:
        """A line of the table; what comes before its numbers says what it is about."""
        numbers = " | ".join(f"{self.metrics[name]:.3f}" for name in telling(self.classes))
        return f"{self.label} | {self.metrics['num_videos']:.0f} | {numbers} |"

    @property
    def label(self) -> str:
        """How the row begins: what was measured on, and which model, if not the card's."""
        return f"| {self.protocol}" + (f" — {self.model}" if self.model else "")


def table(results: Sequence[Result]) -> str:
    """Between two marks, by which `add_results` finds it again."""
    if not results:
        return "\n".join([BEGIN, "No figure has been measured yet.", END])
    return _marked([result.row for result in results], results[0].classes)


def _marked(rows: Sequence[str], classes: int) -> str:
    names = [with_a_blank(name) for name in telling(classes)]
    return "\n".join([BEGIN, f"{HEAD} {' | '.join(names)} |", "|---|---|" + "---|" * len(names), *rows, END])


def _rows_under(classes: int, old: str) -> list[str]:
    """Rows of a table with the columns that one of so many classes has; it may have been written with others."""
    head, *rows = [line for line in old.splitlines() if line.startswith("| ")] or [HEAD]
    names = _cells(head)
    wanted = [*names[:2], *(with_a_blank(name) for name in telling(classes))]
    of_rows = [dict(zip(names, _cells(row), strict=True)) for row in rows]
    return [f"| {' | '.join(cells[name] for name in wanted)} |" for cells in of_rows]


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def metadata_of(result: Result) -> list[EvalResult]:
    """For the card's `model-index`."""
    return [
        EvalResult(
            task_type="video-classification",
            task_name="Video classification",
            dataset_type=result.dataset,
            dataset_name=result.dataset,
            dataset_split=result.part,
            dataset_args={"protocol": result.protocol},
            metric_type="accuracy",
            metric_name=with_a_blank(name),
            metric_value=round(result.metrics[name], 4),
        )
        for name in telling(result.classes)
        if name.startswith("video")
    ]


def add_results(file: Path, results: Sequence[Result]) -> bool:
    """Puts measurements into a card that lies in a file; one of the same thing is replaced, the rest stays.

    Returns:
        Whether the file is a card with a place for them; another one is left as it is.
    """
    content = file.read_text(encoding="utf-8") if file.is_file() else ""
    if BEGIN not in content or END not in content:
        return False
    card = ModelCard.load(file)
    before, rest = card.text.split(BEGIN, 1)
    old, after = rest.split(END, 1)
    rows = _rows_under(results[0].classes, old)
    for result in results:
        rows = [row for row in rows if not row.startswith(f"{result.label} |")] + [result.row]
    card.text = before + _marked(rows, results[0].classes) + after
    entries = [entry for result in results if result.model is None for entry in metadata_of(result)]
    unsaid = {with_a_blank(name) for name in silent(results[0].classes)}
    kept = [
        entry
        for entry in card.data.eval_results or []
        if entry.metric_name not in unsaid and not any(entry.is_equal_except_value(new) for new in entries)
    ]
    card.data.model_name = card.data.model_name or card.text.split("# ", 1)[1].splitlines()[0]
    card.data.eval_results = kept + entries
    card.save(file)
    return True
