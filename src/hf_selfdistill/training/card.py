"""The model card, README.md, rendered whole from the record of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hf_selfdistill.data.whole_files import write_whole
from hf_selfdistill.training.accuracies import MEASURED, describe_chance, only_prediction, telling, with_a_blank
from hf_selfdistill.training.citations import works_behind
from hf_selfdistill.training.kept import kept_rows
from hf_selfdistill.training.record import RunRecord

__all__ = [
    "CARD",
    "CURVES",
    "KEPT",
    "REPORT",
    "accuracy_notes",
    "accuracy_rows",
    "describe_rate",
    "feature_rows",
    "write_card",
]

CARD = "README.md"
CURVES = "training_curves.png"
REPORT = "report.html"
KEPT = "<!-- Everything below this line is yours: it is kept when the card is written again. -->"

TEMPLATES = Path(__file__).parent / "templates"
OURS = ("c3d", "r2plus1d")  # model types that this package adds to transformers
FEATURE_TASKS = ("retrieval", "linear_probe", "knn")


def write_card(folder: str | Path, record: RunRecord) -> None:
    """Render the card of a model into its folder, and keep the text below the line `KEPT`.

    Args:
        folder: folder of the model. The card shows the curves and links the report, if the folder contains them.
        record: record of the run.
    """
    folder = Path(folder)
    record = replace(record, **{name: _printable(getattr(record, name)) for name in ("model", "card", "description")})
    location = record.card.get("hub_model_id") or _printable(folder.resolve().name)
    name = record.card.get("model_name") or location.split("/")[-1]
    base = record.model.get("base")
    card = ModelCard.from_template(
        _metadata(record, name),
        template_path=str(TEMPLATES / ("model_card.md" if record.task == "finetune" else "encoder_card.md")),
        name=name,
        location=location,
        model=record.model,
        classes=[_escaped(name) for name in record.model.get("classes", ())],
        base=base,
        ours=record.model["model_type"] in OURS,
        rate=describe_rate(record.model["frame_stride"], record.model["target_fps"]),
        distilled=record.config.get("distill_weight") != 0,
        inputs=record.inputs,
        dataset=record.model.get("dataset"),
        split=record.model.get("split"),
        videos=record.model.get("videos"),
        description={
            title: {_escaped(name): _escaped(value) for name, value in table.items()}
            for title, table in record.description.items()
        },
        curves=CURVES if (folder / CURVES).is_file() else None,
        report=REPORT if (folder / REPORT).is_file() else None,
        results=_accuracy_table(record),
        notes=accuracy_notes(record),
        kept={} if record.task == "pretrain" else kept_rows(record.metrics),
        features=_table(["task", "accuracy", "videos", "measured on"], feature_rows(record)),
        card=record.card,
        works=works_behind(record.model["model_type"], record.model.get("pretrained_by")),
    )
    write_whole(folder / CARD, f"{str(card).rstrip()}\n\n{KEPT}\n{_kept(folder / CARD)}")


def describe_rate(stride: int, fps: float | None) -> str:
    """Describe the frame stride and frame rate of clips."""
    return f"stride {stride}" if fps is None else f"stride {stride} at {fps:g} fps"


def _printable(value: Any) -> Any:
    """Replace line breaks and other characters without a picture in all strings by blanks."""
    if isinstance(value, str):
        return "".join(character if character.isprintable() else " " for character in value)
    if isinstance(value, Mapping):
        return {name: _printable(inner) for name, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _escaped(text: str) -> str:
    """Escape the Markdown and HTML in a text, outside code."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", _printable(text))


def _kept(file: Path) -> str:
    """Return the text below the line `KEPT` of an earlier card."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return text.partition(f"{KEPT}\n")[2]


def _metadata(record: RunRecord, name: str) -> ModelCardData:
    base, dataset, tags = record.model.get("base"), record.model.get("dataset") or "", record.card.get("tags") or []
    known: dict[str, Any] = {"tags": ["self-supervised", "video", record.model.get("pretrained_by", "")]}
    if record.task == "finetune":
        entries = [entry for measured in _accuracies(record) for entry in _evaluation_entries(record, *measured)]
        known = {
            "tags": ["self-distillation", "generated_from_trainer"],
            "pipeline_tag": "video-classification",
            "datasets": dataset if "/" in dataset else None,
            "metrics": ["accuracy"],
            "model_name": name if entries else None,
            "eval_results": entries or None,
        }
    known["tags"] = ["hf_selfdistill", *known["tags"], record.model["model_type"], *tags]
    return ModelCardData(
        library_name="transformers",
        base_model=base if base is not None and base.count("/") == 1 else None,
        language=record.card.get("language"),
        license=record.card.get("license"),
        **known,
    )


def _accuracies(record: RunRecord) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return part, protocol and accuracies of the last validation and of every test on the saved weights."""
    measured: list[tuple[str, str, Mapping[str, Any]]] = []
    if all(f"eval_{name}" in record.metrics for name in MEASURED):
        values = {name: record.metrics[f"eval_{name}"] for name in MEASURED}
        measured.append(("validation", record.model["validation_protocol"], values))
    tests = record.current("classification")
    return measured + [(test.config.get("part", "test"), test.protocol, test.values) for test in tests]


def _evaluation_entries(record: RunRecord, part: str, protocol: str, values: Mapping[str, Any]) -> list[EvalResult]:
    dataset = record.model.get("dataset") or "videos"
    return [
        EvalResult(
            task_type="video-classification",
            task_name="Video classification",
            dataset_type=dataset,
            dataset_name=dataset,
            dataset_split=part,
            dataset_args={"protocol": protocol},
            metric_type="accuracy",
            metric_name=with_a_blank(name),
            metric_value=round(values[name], 4),
        )
        for name in telling(len(record.model["classes"]))
        if name.startswith("video")
    ]


def accuracy_rows(record: RunRecord) -> list[tuple[str, Mapping[str, Any]]]:
    """Return protocol and accuracies of the last validation, of the tests on the saved weights, and of baselines."""
    measured = [(protocol, values) for _, protocol, values in _accuracies(record)]
    baselines = [test.values["baseline"] for test in record.current("classification") if test.values.get("baseline")]
    return measured + [(f"{baseline['protocol']} — the same with λ = 0", baseline) for baseline in baselines]


def accuracy_notes(record: RunRecord) -> str:
    """Describe chance, and the tests in which all videos were predicted as one class; "" without accuracies."""
    if not accuracy_rows(record):
        return ""
    tests = [
        (test.config.get("part", "test"), only_prediction(test.values)) for test in record.current("classification")
    ]
    alike = {f" In the {part} part, {only}." for part, only in tests if only}
    return f"{describe_chance(len(record.model['classes'])).capitalize()}.{''.join(sorted(alike))}"


def feature_rows(record: RunRecord) -> list[list[str]]:
    """Return task, accuracies, number of videos and protocol of the tests of frozen features."""
    rows = []
    for result in [result for task in FEATURE_TASKS for result in record.current(task)]:
        start = f"{result.task}_top"
        accuracies = {name.removeprefix(start): v for name, v in result.values.items() if name.startswith(start)}
        accuracy = ", ".join(f"top-{k} {value:.3f}" for k, value in accuracies.items())
        rows.append([result.task.replace("_", " "), accuracy, str(result.values["num_videos"]), result.protocol])
    return rows


def _accuracy_table(record: RunRecord) -> str:
    names = telling(len(record.model.get("classes", ())))
    rows = [
        [protocol, f"{values['num_videos']:.0f}", *(f"{values[name]:.3f}" for name in names)]
        for protocol, values in accuracy_rows(record)
    ]
    return _table(["measured on", "videos", *map(with_a_blank, names)], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "Nothing has been measured yet."
    lines = [head, ["---"] * len(head), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
