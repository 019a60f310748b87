"""Table, CSV file and plots of many runs, from their records."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from hf_selfdistill.data.whole_files import write_whole
from hf_selfdistill.experiments.comparison import Run, Setting, runs_by_setting, spread
from hf_selfdistill.experiments.comparison_table import as_table
from hf_selfdistill.experiments.grid import Place
from hf_selfdistill.experiments.paper_results import paper_accuracy
from hf_selfdistill.experiments.plots import Outcome, frontier_figure, lambda_figure
from hf_selfdistill.experiments.run_warnings import describe_warnings
from hf_selfdistill.training.accuracies import MEASURED
from hf_selfdistill.training.figures import save_figure
from hf_selfdistill.training.record import RunRecord

__all__ = ["row_of", "write_comparison", "write_csv"]

WHY_NO_RETENTION = """
{} of {} models have no retention: before fine-tuning, the interval of the encoder's accuracy on the reference set
includes chance, or the reference set has no labels; see `forgetting.md` of each model.
"""


def write_comparison(output_dir: Path, folders: Mapping[Place, Path]) -> str:
    """Write `table.md`, `results.csv` and, with matplotlib, `weights.png` and `frontier.png`; return the table.

    Args:
        output_dir: folder of the files.
        folders: folder of each tested model.
    """
    records = {place: _record(folder) for place, folder in folders.items()}
    runs = [_run(place, folders[place], record) for place, record in records.items()]
    model = next(iter(records.values())).model
    classes = len(model["classes"])
    paper = partial(paper_accuracy, model["model_type"], model["dataset"], classes)
    table = as_table(runs, classes, paper if paper(0) is not None else None)
    measured = [record.latest("forgetting") for record in records.values()]
    unknown = sum(values is not None and values["retention"] is None for values in measured)
    table += WHY_NO_RETENTION.format(unknown, len(records)) if unknown else ""
    table += describe_warnings(records.values())
    write_whole(output_dir / "table.md", table)
    write_csv(
        output_dir / "results.csv",
        [
            {**vars(place.setting), "split": place.split, "seed": place.seed, **row_of(folders[place], record)}
            for place, record in records.items()
        ],
    )
    if find_spec("matplotlib") is not None:
        _draw(output_dir, runs)
    return table


def row_of(folder: Path, record: RunRecord | None = None) -> dict[str, Any]:
    """Return the row of `results.csv` for a tested model."""
    record = record or _record(folder)
    test = record.current("classification")[-1]
    retention = (record.latest("forgetting") or {}).get("retention") or {}
    return {
        **{name: test.values[name] for name in MEASURED},
        "retention": retention.get("value"),
        "retention_low": retention.get("low"),
        "retention_high": retention.get("high"),
        "validation_top1": record.metrics.get("eval_video_top1"),
        "ce_loss": _last_loss(folder),
        "steps": record.progress.get("step"),
        **{f"{name}_hash": own.sha256 for name, own in record.inputs.items()},
        "commit": record.software.get("commit"),
        "decoder": record.software.get("decoder"),
        "test_commit": test.software.get("commit"),
        "test_decoder": test.software.get("decoder"),
        "identity": record.identity,
        "wall_seconds": round(record.wall_seconds, 1),
        "protocol": test.protocol,
        "folder": str(folder),
    }


def write_csv(file: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as CSV; a missing value is an empty cell."""
    import pandas

    write_whole(file, pandas.DataFrame(rows).to_csv(index=False))


def _record(folder: Path) -> RunRecord:
    record = RunRecord.load(folder)
    assert record is not None
    return record


def _run(place: Place, folder: Path, record: RunRecord) -> Run:
    test, forgetting = record.latest("classification"), record.latest("forgetting")
    assert test is not None
    retention = ((forgetting or {}).get("retention") or {}).get("value")
    validation = record.metrics.get("eval_video_top1")
    return Run(
        *place,
        test["video_top1"],
        test["video_top5"],
        retention,
        validation,
        _last_loss(folder),
        record.progress.get("step"),
    )


def _last_loss(folder: Path) -> float | None:
    """Return the last logged cross-entropy; None for a copy of a model, which has no log."""
    file = folder / TRAINER_STATE_NAME
    log = TrainerState.load_from_json(str(file)).log_history if file.is_file() else []
    return next((entry["ce_loss"] for entry in reversed(log) if "ce_loss" in entry), None)


def _differences(setting: Setting, among: list[Setting]) -> list[str]:
    """Describe learning rate and share of labels if they differ between the settings."""
    found = []
    if len({other.learning_rate for other in among}) > 1:
        found.append(f"rate {setting.learning_rate:g}")
    if len({other.label_fraction for other in among}) > 1:
        found.append(f"{100 * setting.label_fraction:g} % labels")
    return found


def _draw(output_dir: Path, runs: list[Run]) -> None:
    by_setting = runs_by_setting(runs)
    curves: dict[str, dict[float, list[float]]] = {}
    outcomes = []
    for setting, own in by_setting.items():
        differs = _differences(setting, list(by_setting))
        if setting.regularizer == "self_distillation" and setting.epoch == "last":
            curves.setdefault(", ".join(differs), {})[setting.distill_weight] = [run.top1 for run in own]
        values = [run.retention for run in own if run.retention is not None]
        if values:
            top1 = [run.top1 for run in own]
            name = ", ".join([setting.name, *differs])
            outcomes.append(
                Outcome(name, statistics.fmean(top1), spread(top1), statistics.fmean(values), spread(values))
            )
    if any(len(curve) > 1 for curve in curves.values()):
        save_figure(lambda_figure(curves), output_dir / "weights.png", dpi=150)
    if outcomes:
        save_figure(frontier_figure(outcomes), output_dir / "frontier.png", dpi=150)
