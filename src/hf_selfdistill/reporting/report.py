"""A page about one run, rendered from its record."""

from __future__ import annotations

import json
import logging
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sklearn.metrics import confusion_matrix

from hf_selfdistill.data.whole_files import write_whole
from hf_selfdistill.reporting.confusion import confusion_figure, most_confused
from hf_selfdistill.reporting.forgetting_figures import drift_figure, forgetting_figure
from hf_selfdistill.reporting.forgetting_table import forgetting_tables, reason_without_retention
from hf_selfdistill.reporting.pictures import Picture, as_picture, file_as_picture
from hf_selfdistill.reporting.retrieval_examples import retrieval_examples
from hf_selfdistill.reporting.saliency_examples import saliency_examples
from hf_selfdistill.reporting.tables import class_table, key_values, pair_table, percent, result_tables, run_tables
from hf_selfdistill.reporting.tested_videos import folder_of_videos
from hf_selfdistill.training.card import REPORT, accuracy_notes, write_card
from hf_selfdistill.training.curves import curve_figures
from hf_selfdistill.training.record import RECORD, RunRecord, hash_of_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_report"]

logger = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
MOST_PICTURE_BYTES = 2_500_000  # keeps the page below 5 MB

SHOWN = {
    "classification": "test accuracies and confusions",
    "retrieval": "retrieval examples",
    "forgetting": "forgetting",
}
"""Task of an evaluation → parts of the page that it fills."""


def write_report(folder: str | Path, saliency: Sequence[str] = ()) -> Path:
    """Write `report.html`, a page without external files and scripts, into the folder of a fine-tuned model.

    The page shows only results that were measured on the weights in the folder. It names results of other weights
    with the command that measures them again. The model card is rendered again with a link to the page.

    Args:
        folder: output folder of a fine-tuning.
        saliency: image files (PNG, GIF) that the page shows beside its own saliency pictures.

    Returns:
        Path of the page.

    Raises:
        ValueError: the folder holds no finished fine-tuning, or a file in it is damaged.
        ImportError: matplotlib is missing.
    """
    folder = Path(folder)
    if find_spec("matplotlib") is None:
        raise ImportError('a report needs matplotlib; install it with pip install "hf_selfdistill[report]"')
    record = _load(folder)
    pictures = _embed(saliency)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    page = environment.get_template("report.html").render(
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        name=folder.resolve().name,
        record=record,
        wall_time=timedelta(seconds=round(record.wall_seconds)),
        key=key_values(record),
        results=result_tables(record),
        notes=accuracy_notes(record),
        curves=_draw_curves(folder / "trainer_state.json"),
        tables=run_tables(record),
        unreadable=_unreadable(record),
        stale=_stale(folder, record),
        missing=_missing(folder, record),
        retrieval=record.latest("retrieval"),
        neighbours=retrieval_examples(
            (record.latest("retrieval") or {}).get("neighbours", []), folder_of_videos(record, "retrieval")
        ),
        **_classification(folder, record, pictures),
        **_forgetting(record),
    )
    write_whole(folder / REPORT, page)
    write_card(folder, record)
    return folder / REPORT


def _load(folder: Path) -> RunRecord:
    """Return the record of a fine-tuned model, reduced to results of the weights in the folder."""
    record = RunRecord.load(folder)
    if record is None:
        raise ValueError(
            f"{folder} has no {RECORD}: it is not a run, or an earlier version or another tool made it; fine-tune "
            "with this version, then evaluate"
        )
    weights = hash_of_model(folder)
    if record.task != "finetune" or record.status != "finished" or weights is None:
        unusable = "an unfinished run" if weights else "a run without weights"
        found = "a pre-training" if record.task != "finetune" else unusable
        raise ValueError(f"{folder} holds {found}; a report needs a finished fine-tuning and its model")
    return record.of_weights(weights)


def _embed(files: Sequence[str]) -> list[Picture]:
    size = sum(Path(file).stat().st_size for file in files)
    if size > MOST_PICTURE_BYTES:
        raise ValueError(
            f"the pictures of `saliency` have {size / 1e6:.1f} MB; at most {MOST_PICTURE_BYTES / 1e6} MB are allowed: "
            "give fewer"
        )
    return [file_as_picture(Path(file), f"Saliency: {Path(file).stem}", Path(file).stem) for file in files]


def _draw_curves(state: Path) -> list[Picture]:
    if not state.is_file():
        return []
    try:
        figures = curve_figures(json.loads(state.read_text(encoding="utf-8"))["log_history"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{state} is damaged; move it away to get a report without curves") from None
    return [as_picture(figure, f"{title} against steps; {_ends(figure)}") for title, figure in figures.items()]


def _ends(figure: Figure) -> str:
    """Describe the first and last value of each line of a figure."""
    lines = [(line.get_label(), np.asarray(line.get_ydata())) for line in figure.axes[0].get_lines()]
    return ", ".join(f"{label} from {values[0]:.3g} to {values[-1]:.3g}" for label, values in lines)


def _unreadable(record: RunRecord) -> list[Mapping[str, str]]:
    found = [record.metrics.get("unreadable", []), *(result.values.get("failed", []) for result in record.current())]
    return list({one["video"]: one for failures in found for one in failures}.values())


def _stale(folder: Path, record: RunRecord) -> dict[str, str]:
    """Return the tasks with results of other weights only, and the commands that measure them again."""
    last = {result.task: result.config for result in record.results}
    commands = {task: _command(folder, task, last[task]) for task in record.stale()}
    for task, command in commands.items():
        logger.warning("Results of %s are from other weights and not shown; measure again: %s", task, command)
    return commands


def _missing(folder: Path, record: RunRecord) -> dict[str, str]:
    """Return the parts of the page that were never measured, and the commands that measure them."""
    data = {name: record.config.get(name) for name in ("dataset", "dataset_root", "annotations", "split")}
    if data["dataset"] is None:
        data |= {"dataset": "folder", "dataset_root": "VIDEOS"}
    configs = {"classification": data, "retrieval": data}
    if record.model["base"] is not None:  # random weights have nothing to forget
        encoder = record.config.get("model_name_or_path", "ENCODER")
        reference: dict[str, Any] = {"dataset": "folder", "dataset_root": "REFERENCE_VIDEOS"}
        if record.config.get("reference_dataset"):
            names = ("dataset", "root", "annotations", "split")
            reference = {flag: record.config.get(f"reference_{name}") for flag, name in zip(data, names, strict=True)}
        configs["forgetting"] = {"before": encoder, **reference}
    measured = {result.task for result in record.results}
    return {SHOWN[task]: _command(folder, task, own) for task, own in configs.items() if task not in measured}


def _command(folder: Path, task: str, config: Mapping[str, Any]) -> str:
    own = {"task": task, "model_name_or_path": str(folder)}
    words = []
    for name, value in {**own, **config, **own, "output_dir": None}.items():
        if value is not None:
            texts = map(str, value) if isinstance(value, list) else [str(value)]
            words += [f"--{name}", *texts]
    return f"hf-selfdistill evaluate {shlex.join(words)}"


def _classification(folder: Path, record: RunRecord, pictures: Sequence[Picture]) -> dict[str, Any]:
    classes, tested = record.model["classes"], record.latest("classification")
    context = {"tested": tested, "confusion": None, "pairs": None, "worst": None}
    if tested is None:
        return {**context, "saliency": pictures, "saliency_protocol": ""}
    labels, predicted = ([one[name] for one in tested["predictions"]] for name in ("label", "predicted"))
    counts = confusion_matrix(labels, predicted, labels=classes)
    pairs = most_confused(counts, classes)
    alt = f"Confusion matrix of {len(classes)} classes and {len(labels)} videos; a table has the most frequent errors"
    own, protocol = saliency_examples(folder, tested["predictions"], folder_of_videos(record, "classification"))
    return {
        "tested": tested,
        "confusion": as_picture(confusion_figure(counts, classes), alt),
        "pairs": pair_table(pairs) if pairs else None,
        "worst": class_table(tested["per_class"], Counter(labels)),
        "saliency": [*own, *pictures],
        "saliency_protocol": protocol,
    }


def _forgetting(record: RunRecord) -> dict[str, Any]:
    report = record.latest("forgetting")
    if report is None:
        return {"forgetting": None, "no_retention": None, "forgetting_pictures": [], "forgetting_tables": []}
    pictures = []
    if "before" in report:
        figure = forgetting_figure(report["before"], report["after"], report["chance"])
        pictures.append(as_picture(figure, "Top-1 before and after fine-tuning; a table has the values"))
    if any(layer["cka"] is not None for layer in report["drift"]["layers"]):
        figure = drift_figure(report["drift"]["layers"])
        pictures.append(as_picture(figure, "CKA of each layer before and after fine-tuning; a table has the values"))
    return {
        "forgetting": report,
        "no_retention": None if report["retention"] else reason_without_retention(report),
        "forgetting_pictures": pictures,
        "forgetting_tables": forgetting_tables(report),
    }
