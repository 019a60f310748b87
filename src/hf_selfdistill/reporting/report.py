"""One page on one run: how it was made, what it learnt, what it mistakes, what it forgot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hf_selfdistill.reporting.confusion import ConfusedPair, confusion_counts, confusion_figure, most_confused
from hf_selfdistill.reporting.forgetting_figures import drift_figure, forgetting_figure
from hf_selfdistill.reporting.forgetting_table import NAMES, cka_in_words, in_words, why_none
from hf_selfdistill.reporting.pictures import Picture, as_picture
from hf_selfdistill.reporting.retrieval_examples import ExampleVideo, retrieval_filmstrips
from hf_selfdistill.training.accuracies import telling, with_a_blank
from hf_selfdistill.training.curves import curve_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Report", "Table", "render"]

TEMPLATES = Path(__file__).parent / "templates"
WORST_CLASSES = 10


@dataclass(frozen=True)
class Table:
    """Rows under a head.

    Args:
        caption: what it is about.
        head: names of the columns.
        rows: as many cells each; the first one is the row's name.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Report:
    """What is known of a run; what is not known is left out of the page.

    Args:
        name: of the run.
        summary: in a sentence, what it is.
        classes: in the order of the labels.
        how: tables of how it was made.
        log_history: of the Trainer.
        validation: results on the validation part, as `evaluation`, without predictions.
        evaluation: as of `evaluate_model`: accuracies, `protocol`, `per_class`, `predictions`, `failed`.
        retrieval: queries and their nearest videos.
        retrieval_protocol: in words.
        saliency: pictures.
        saliency_protocol: in words, or why there are no pictures.
        forgetting: as of forgetting.json.
        unreadable: `video` and `reason` of each file that was left out.
        missing: what the page lacks, and how to get it.
    """

    name: str
    summary: str
    classes: Sequence[str]
    how: Sequence[Table] = ()
    log_history: Sequence[Mapping[str, Any]] = ()
    validation: Mapping[str, Any] | None = None
    evaluation: Mapping[str, Any] | None = None
    retrieval: Sequence[tuple[ExampleVideo, Sequence[ExampleVideo]]] = ()
    retrieval_protocol: str = ""
    saliency: Sequence[Picture] = ()
    saliency_protocol: str = ""
    forgetting: Mapping[str, Any] | None = None
    unreadable: Sequence[Mapping[str, str]] = ()
    missing: Sequence[str] = field(default_factory=list)


def render(report: Report) -> str:
    """The page as HTML that needs no other file, no network and no script.

    Raises:
        ValueError: predictions name classes that the model does not know.
        ImportError: matplotlib is missing.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["percent"] = _percent
    style = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    return environment.get_template("report.html").render(
        report=report,
        style=style,
        results=_results(report),
        key=[(with_a_blank(name), name) for name in telling(len(report.classes)) if name.startswith("video")],
        curves=_curves(report.log_history),
        retrieval=[retrieval_filmstrips(*example) for example in report.retrieval],
        **_classes(report),
        **_forgetting(report.forgetting),
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}\N{NO-BREAK SPACE}%"


def _results(report: Report) -> Table | None:
    measured = [results for results in (report.evaluation, report.validation) if results is not None]
    names = telling(len(report.classes))
    rows = [
        (results["protocol"], f"{results['num_videos']:.0f}", *(_percent(results[name]) for name in names))
        for results in measured
    ]
    head = ("measured on", "videos", *(with_a_blank(name) for name in names))
    return (
        Table("Accuracy: the share of videos or clips whose class is among the first k", head, rows) if rows else None
    )


def _curves(log_history: Sequence[Mapping[str, Any]]) -> list[Picture]:
    return [
        as_picture(figure, f"{title} against training steps; {_in_words(figure)}")
        for title, figure in curve_figures(log_history).items()
    ]


def _in_words(figure: Figure) -> str:
    """In words, where each line of a figure begins and ends."""
    ends = [(line.get_label(), np.asarray(line.get_ydata())) for line in figure.axes[0].get_lines()]
    return ", ".join(f"{label} from {values[0]:.3g} to {values[-1]:.3g}" for label, values in ends)


def _classes(report: Report) -> dict[str, Any]:
    """Confusion matrix, most confused pairs and worst classes."""
    predictions = (report.evaluation or {}).get("predictions")
    if not predictions:
        return {"confusion": None, "pairs": None, "worst": _worst(report, {})}
    labels = [prediction["label"] for prediction in predictions]
    counts = confusion_counts(labels, [prediction["predicted"] for prediction in predictions], report.classes)
    pairs = most_confused(counts, report.classes)
    alt = (
        f"Confusion matrix, {len(report.classes)} classes, {len(labels)} videos; a table below has its largest errors"
    )
    return {
        "confusion": as_picture(confusion_figure(counts, report.classes), alt),
        "pairs": _pairs(pairs) if pairs else None,
        "worst": _worst(report, Counter(labels)),
    }


def _pairs(pairs: Sequence[ConfusedPair]) -> Table:
    rows = [(pair.label, pair.predicted, str(pair.videos), _percent(pair.share)) for pair in pairs]
    return Table("Most confused pairs", ("true class", "taken for", "videos", "of the true class"), rows)


def _worst(report: Report, videos: Mapping[str, int]) -> Table | None:
    accuracies = (report.evaluation or {}).get("per_class", {})
    worst = sorted(accuracies, key=lambda name: (accuracies[name], name))[:WORST_CLASSES]
    rows = [(name, _percent(accuracies[name]), *([str(videos[name])] if videos else [])) for name in worst]
    head = ("class", "video top-1", *(["videos"] if videos else []))
    return Table("Classes, the worst first", head, rows) if rows else None


def _forgetting(forgetting: Mapping[str, Any] | None) -> dict[str, Any]:
    if forgetting is None:
        return {"kept": None, "forgetting_pictures": [], "drift": None, "own_metric": None, "no_retention": None}
    drift, kept, pictures = forgetting["drift"], None, []
    if {"before", "after", "chance"} <= forgetting.keys():  # the reference set has labels
        before, after = forgetting["before"], forgetting["after"]
        rows = [(NAMES[name], _interval(before[name]), _interval(after[name])) for name in before]
        kept = Table("Accuracy of frozen features", ("measured by", "before", "after"), rows)
        pictures.append(
            as_picture(
                forgetting_figure(before, after, forgetting["chance"]), "Top-1 before and after; the table has them"
            )
        )
    if any(layer["cka"] is not None for layer in drift["layers"]):
        layers = ", ".join(f"{layer['name']} {cka_in_words(layer['cka'])}" for layer in drift["layers"])
        pictures.append(as_picture(drift_figure(drift["layers"]), f"CKA of each layer before and after: {layers}"))
    return {
        "kept": kept,
        "no_retention": None if forgetting["retention"] else why_none(forgetting),
        "forgetting_pictures": pictures,
        "drift": _drift(drift),
        "own_metric": _own_metric(forgetting.get("objective")),
    }


def _own_metric(objective: Mapping[str, Any] | None) -> Table | None:
    if objective is None:
        return None
    before, after = objective["before"], objective["after"]
    rows = [(name.replace("_", " "), in_words(before[name], 3), in_words(after[name], 3)) for name in before]
    return Table(f"{objective['name']}, what it was pre-trained on", ("measured by", "before", "after"), rows)


def _interval(interval: Mapping[str, Any]) -> str:
    ends = [] if interval["low"] is None else [_percent(interval[end]) for end in ("low", "high")]
    return _percent(interval["value"]) + (f" [{', '.join(ends)}]" if ends else "")


def _drift(drift: Mapping[str, Any]) -> Table:
    rows = [
        ("cosine of features before and after", in_words(drift["cosine"], 3)),
        ("relative distance of features", in_words(drift["relative_l2"], 3)),
        ("relative distance of weights", f"{drift['weight_distance']:.3f}"),
        ("effective rank of features before", in_words(drift["effective_rank_before"], 1)),
        ("effective rank of features after", in_words(drift["effective_rank_after"], 1)),
    ]
    return Table("How far features and weights have moved", ("quantity", "value"), rows)
