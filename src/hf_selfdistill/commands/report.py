"""One page on a run: results, curves, confusions, what was forgotten."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional

import numpy as np
from tqdm import tqdm

from hf_selfdistill.cli.parser import CommandParser, start_logging, user_errors
from hf_selfdistill.commands.run_files import FORGETTING, RESULTS, RETRIEVAL, read_run
from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.hub.card_tables import REPORT, CardTable, card_summary, card_tables, link_report
from hf_selfdistill.reporting.pictures import Picture, file_as_picture
from hf_selfdistill.reporting.report import Report, Table, render
from hf_selfdistill.reporting.retrieval_examples import ExampleVideo
from hf_selfdistill.reporting.saliency_examples import saliency_examples
from hf_selfdistill.training.accuracies import MEASURED

__all__ = ["ReportArguments", "main"]

logger = logging.getLogger(__name__)

FRAMES, SIDE = 4, 96  # of an example: frames, and the pixels of their shorter side
EXAMPLES, NEAREST = 6, 3
MOST_PICTURE_BYTES = 2_500_000  # of saliency, so that the page stays below 5 MB

MISSING = {
    RESULTS: "Test figures, confusions and classes: evaluate_model.py --output_file {run}/evaluation.json",
    RETRIEVAL: "Retrieval examples: evaluate_model.py --task retrieval --output_file {run}/retrieval.json",
    FORGETTING: "What was forgotten: there is no {run}/forgetting.json",
}


@dataclass
class ReportArguments:
    """Report."""

    run: str = field(metadata={"help": "Folder of a fine-tuned model, with what was measured of it."})
    saliency: Optional[list[str]] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "Pictures (PNG, GIF) to show beside its own of where the model looks."}
    )


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/report.py`."""
    parser = CommandParser(ReportArguments, description="Write OUT/report.html, a page that needs no other file.")
    with user_errors():
        (args,) = parser.parse(argv)
        start_logging()
        if find_spec("matplotlib") is None:
            raise ValueError('a report needs matplotlib; install it with pip install "hf_selfdistill[report]"')
        folder = Path(args.run)
        report = _gather(folder, args.saliency or [])
        (folder / REPORT).write_text(render(report), encoding="utf-8")
        if not link_report(folder / "README.md"):
            logger.info("There is no model card in %s that could lead to the report", folder)
        logger.info("The report is %s", (folder / REPORT).resolve())


def _gather(folder: Path, saliency: Sequence[str]) -> Report:
    run = read_run(folder)
    if run.config is None or "id2label" not in run.config:
        lacks = "it lacks config.json" if run.config is None else "its config.json has no classes; fine-tune it first"
        raise ValueError(f"--run {folder} is no fine-tuned model: {lacks}")
    predictions = (run.evaluation or {}).get("predictions", [])
    seen, saliency_protocol = saliency_examples(folder, predictions) if predictions else ([], "")
    tables = card_tables(folder / "README.md")
    classes = [run.config["id2label"][key] for key in sorted(run.config["id2label"], key=int)]
    return Report(
        name=folder.resolve().name,
        summary=card_summary(folder / "README.md") or f"{run.config['model_type']}, {len(classes)} classes",
        classes=classes,
        how=[Table(*_captioned(table)) for table in tables if table.section in ("Training data", "Training")],
        log_history=(run.state or {}).get("log_history", []),
        validation=_validation(run.results or {}, tables),
        evaluation=run.evaluation,
        retrieval=_examples((run.retrieval or {}).get("neighbours", [])),
        retrieval_protocol=(run.retrieval or {}).get("protocol", ""),
        saliency=[*seen, *_pictures(saliency)],
        saliency_protocol=saliency_protocol,
        forgetting=run.forgetting,
        unreadable=_unreadable((run.results or {}).get("unreadable", []), (run.evaluation or {}).get("failed", [])),
        missing=[words.format(run=folder) for file, words in MISSING.items() if not (folder / file).is_file()],
    )


def _captioned(table: CardTable) -> tuple[str, list[str], list[list[str]]]:
    if table.section == "Training data":
        return "Data", table.head, table.rows
    return table.head[0].capitalize(), [table.head[0], "value"], table.rows


def _validation(results: Mapping[str, Any], tables: Sequence[CardTable]) -> dict[str, Any] | None:
    if not all(f"eval_{name}" in results for name in MEASURED):
        return None
    measured = [row[0] for table in tables if table.section == "Results" for row in table.rows]
    protocol = next((words for words in measured if " validation, " in words), "validation part")
    return {"protocol": protocol, **{name: results[f"eval_{name}"] for name in MEASURED}}


def _unreadable(*lists: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    return list({failure["video"]: failure for failures in lists for failure in failures}.values())


def _pictures(files: Sequence[str]) -> list[Picture]:
    size = sum(Path(file).stat().st_size for file in files)
    if size > MOST_PICTURE_BYTES:
        raise ValueError(
            f"the pictures of --saliency take {size / 1e6:.1f} MB, and {MOST_PICTURE_BYTES / 1e6} MB fit; give fewer"
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
