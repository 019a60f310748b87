"""The report on a run, gathered from its record."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.data.whole_files import write_whole
from hf_selfdistill.reporting.pictures import Picture, file_as_picture
from hf_selfdistill.reporting.report import Report, Table, render
from hf_selfdistill.reporting.retrieval_examples import ExampleVideo
from hf_selfdistill.reporting.saliency_examples import saliency_examples
from hf_selfdistill.training.accuracies import MEASURED
from hf_selfdistill.training.card import REPORT, write_card
from hf_selfdistill.training.record import RECORD, RunRecord, hash_of_model

__all__ = ["write_report"]

logger = logging.getLogger(__name__)

FRAMES, SIDE = 4, 96  # of an example: frames, and the pixels of their shorter side
EXAMPLES, NEAREST = 6, 3
MOST_PICTURE_BYTES = 2_500_000  # so that the page stays below 5 MB

MISSING = {
    "classification": "Test results, confusions and classes: hf-selfdistill evaluate --model_name_or_path {run} …",
    "retrieval": "Retrieval examples: hf-selfdistill evaluate --task retrieval --model_name_or_path {run} …",
    "forgetting": "Forgetting: hf-selfdistill evaluate --task forgetting --before ENCODER …",
}


def write_report(folder: Path, saliency: Sequence[str] = ()) -> Path:
    """Write `report.html`, a page that needs no other file, into the folder of a fine-tuned model.

    The page shows results that were measured on the weights in the folder; others are named as stale.

    Args:
        folder: folder of the run.
        saliency: pictures (PNG, GIF) of where the model looks, shown beside the report's own.

    Raises:
        ValueError: the folder has no record, it is not a fine-tuned model, or matplotlib is missing.
    """
    if find_spec("matplotlib") is None:
        raise ValueError('a report needs matplotlib; install it with pip install "hf_selfdistill[report]"')
    record = RunRecord.load(folder)
    if record is None:
        raise ValueError(
            f"{folder} has no {RECORD}: it is not a run, or an earlier version made it; fine-tune with this version, "
            "then evaluate"
        )
    if record.task != "finetune" or record.status != "finished":
        raise ValueError(f"{folder} is not a finished fine-tuning; a report is about a fine-tuned model")
    record.weights = hash_of_model(folder)
    write_whole(folder / REPORT, render(_gather(folder, record, saliency)))
    write_card(folder, record)  # which leads to the report now
    return folder / REPORT


def _gather(folder: Path, record: RunRecord, saliency: Sequence[str]) -> Report:
    tested, retrieved = record.latest("classification"), record.latest("retrieval")
    predictions = (tested or {}).get("predictions", [])
    seen, saliency_protocol = saliency_examples(folder, predictions) if predictions else ([], "")
    stale = record.stale()
    missing = [text.format(run=folder) for task, text in MISSING.items() if record.latest(task) is None]
    return Report(
        name=folder.resolve().name,
        summary=_summary(record),
        classes=record.model["classes"],
        how=_tables(record),
        log_history=_log_history(folder),
        validation=_validation(record),
        evaluation=tested,
        retrieval=_examples((retrieved or {}).get("neighbours", [])),
        retrieval_protocol=(retrieved or {}).get("protocol", ""),
        saliency=[*seen, *_pictures(saliency)],
        saliency_protocol=saliency_protocol,
        forgetting=record.latest("forgetting"),
        unreadable=_unreadable(record.metrics.get("unreadable", []), (tested or {}).get("failed", [])),
        missing=[*_describe_stale(stale), *missing],
    )


def _describe_stale(tasks: Sequence[str]) -> list[str]:
    return [f"Measured on other weights, so not shown: {', '.join(tasks)}. Measure again:"] if tasks else []


def _summary(record: RunRecord) -> str:
    base = f"fine-tuned from {record.model['base']}" if record.model.get("base") else "trained from random weights"
    dataset = f" Data set {record.model['dataset']}." if record.model.get("dataset") else ""
    return f"A {record.model['architecture']} {base}, {len(record.model['classes'])} classes.{dataset}"


def _tables(record: RunRecord) -> list[Table]:
    parts = {part: own for part, own in record.inputs.items() if own.videos is not None}
    rows = [[part, str(own.videos), own.sha256] for part, own in parts.items()]
    data = [Table("Data", ["part", "videos", "SHA-256 of names and labels"], rows)] if rows else []
    described = [
        Table(title.capitalize(), [title, "value"], [list(row) for row in table.items()])
        for title, table in record.description.items()
    ]
    return [*data, *described]


def _log_history(folder: Path) -> list[dict[str, Any]]:
    file = folder / "trainer_state.json"
    try:
        history: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["log_history"]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{file} is damaged; move it away: the report then has no curves") from None
    return history


def _validation(record: RunRecord) -> dict[str, Any] | None:
    if not all(f"eval_{name}" in record.metrics for name in MEASURED):
        return None
    values = {name: record.metrics[f"eval_{name}"] for name in MEASURED}
    return {"protocol": record.model["validation_protocol"], **values}


def _unreadable(*lists: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    return list({failure["video"]: failure for failures in lists for failure in failures}.values())


def _pictures(files: Sequence[str]) -> list[Picture]:
    size = sum(Path(file).stat().st_size for file in files)
    if size > MOST_PICTURE_BYTES:
        raise ValueError(
            f"the pictures of `saliency` take {size / 1e6:.1f} MB, and {MOST_PICTURE_BYTES / 1e6} MB fit; give fewer"
        )
    return [file_as_picture(Path(file), f"Saliency: {Path(file).stem}", Path(file).stem) for file in files]


def _examples(neighbours: Sequence[Mapping[str, Any]]) -> list[tuple[ExampleVideo, list[ExampleVideo]]]:
    """Evenly spaced queries, so that no one picks the good ones."""
    places = np.unique(np.linspace(0, len(neighbours) - 1, min(EXAMPLES, len(neighbours))).round()).astype(int)
    examples = []
    queries = [neighbours[place] for place in places]
    for query in tqdm(queries, desc="retrieval examples", leave=False, disable=not queries):
        try:
            examples.append((_example_video(query), [_example_video(video) for video in query["nearest"][:NEAREST]]))
        except VideoDecodingError as error:
            logger.warning("a retrieval example is left out: %s", error)
    return examples


def _example_video(video: Mapping[str, Any]) -> ExampleVideo:
    with VideoReader(video["video"]) as reader:
        last = reader.num_frames - 1
        frames = reader.read([round(last * (number + 0.5) / FRAMES) for number in range(FRAMES)])  # (T, C, H, W)
    step = max(1, min(frames.shape[2:]) // SIDE)
    return ExampleVideo(video["label"], frames[:, :, ::step, ::step].permute(0, 2, 3, 1).numpy(), video.get("cosine"))
