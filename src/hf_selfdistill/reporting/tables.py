"""Tables of a run's settings and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hf_selfdistill.reporting.confusion import ConfusedPair
from hf_selfdistill.training.accuracies import telling, with_a_blank
from hf_selfdistill.training.card import accuracy_rows, feature_rows
from hf_selfdistill.training.kept import kept_rows
from hf_selfdistill.training.record import RunRecord

__all__ = ["Table", "class_table", "key_values", "pair_table", "percent", "result_tables", "run_tables"]

WORST_CLASSES = 10


@dataclass(frozen=True)
class Table:
    """Rows below a head.

    Args:
        caption: subject of the table.
        head: names of the columns.
        rows: cells of each row; the first cell names the row.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def as_markdown(self) -> str:
        """Return the table in Markdown, without its caption."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def percent(fraction: float) -> str:
    """Format a fraction of 1."""
    return f"{100 * fraction:.1f}\N{NO-BREAK SPACE}%"


def key_values(record: RunRecord) -> dict[str, str]:
    """Return the accuracy and what was kept, side by side: of the last test, else of the end of the training."""
    names = [name for name in telling(len(record.model["classes"])) if name.startswith("video")]
    tested, forgetting = record.latest("classification"), record.latest("forgetting")
    measured, part = (tested, "") if tested else (record.metrics, "validation, ")
    found = {name: measured.get(name if tested else f"eval_{name}") for name in names}
    key = {f"{part}{with_a_blank(name)}": percent(value) for name, value in found.items() if value is not None}
    kept = kept_rows(record.metrics)
    kept.pop("linear probe before and after", None)  # a table of its own
    if forgetting is not None and forgetting["retention"]:
        kept["retention"] = f"{forgetting['retention']['value']:.2f}"
    return key | kept


def result_tables(record: RunRecord) -> list[Table]:
    """Return the accuracies of the classifier and of its frozen features, as far as they were measured."""
    names = telling(len(record.model["classes"]))
    accuracies = [
        (protocol, f"{values['num_videos']:.0f}", *(percent(values[name]) for name in names))
        for protocol, values in accuracy_rows(record)
    ]
    features = [(protocol, *cells) for *cells, protocol in feature_rows(record)]
    head = ("measured on", "videos", *map(with_a_blank, names))
    tables = [
        Table("Accuracy: share of videos or clips with the true class among the k most probable", head, accuracies),
        Table("Frozen features", ("measured on", "task", "accuracy", "videos"), features),
    ]
    return [table for table in tables if table.rows]


def pair_table(pairs: Sequence[ConfusedPair]) -> Table:
    """Return the pairs of classes with the most errors."""
    rows = [(pair.label, pair.predicted, str(pair.videos), percent(pair.share)) for pair in pairs]
    return Table("Most confused pairs", ("true class", "predicted", "videos", "of the true class"), rows)


def class_table(accuracies: Mapping[str, float], videos: Mapping[str, int]) -> Table:
    """Return the classes with the lowest accuracy.

    Args:
        accuracies: video top-1 of each class.
        videos: number of videos of each class.
    """
    worst = sorted(accuracies, key=lambda name: (accuracies[name], name))[:WORST_CLASSES]
    rows = [(name, percent(accuracies[name]), str(videos[name])) for name in worst]
    return Table("Classes with the lowest accuracy", ("class", "video top-1", "videos"), rows)


def run_tables(record: RunRecord) -> list[Table]:
    """Return the inputs, the settings, the software and the changes of a run."""
    inputs = [(part, str(own.videos or ""), own.sha256) for part, own in record.inputs.items()]
    changes = [[_text(change[name]) for name in ("step", "parameter", "before", "after")] for change in record.changes]
    tables = [
        Table("Inputs", ("input", "videos", "SHA-256"), inputs),
        *(
            Table(title.capitalize(), (title, "value"), list(settings.items()))
            for title, settings in record.description.items()
        ),
        Table("Software", ("package", "version"), list(record.software.items())),
        Table("Parameters changed on resuming", ("step", "parameter", "before", "after"), changes),
    ]
    return [table for table in tables if table.rows]


def _text(value: Any) -> str:
    return "default" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
