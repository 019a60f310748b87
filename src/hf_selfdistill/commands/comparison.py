"""What many runs left behind, gathered: a table, a CSV file, figures."""

from __future__ import annotations

import csv
import importlib.util
import json
import logging
import statistics
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hf_selfdistill.commands.job_record import facts_of
from hf_selfdistill.commands.run_files import FORGETTING, RESULTS
from hf_selfdistill.experiments.comparison import Run, Setting, runs_by_setting, spread
from hf_selfdistill.experiments.comparison_table import as_table
from hf_selfdistill.experiments.paper_results import paper_accuracy
from hf_selfdistill.reporting.plots import Outcome, frontier_figure, lambda_figure
from hf_selfdistill.training.accuracies import MEASURED

__all__ = ["Place", "Tested", "write_comparison", "write_rows"]

logger = logging.getLogger(__name__)


class Place(NamedTuple):
    """Which run of an ablation."""

    setting: Setting
    split: int
    seed: int


class Tested(NamedTuple):
    """A model of a finished job: its folder, with what was measured of it, and the job's, which may be another one."""

    folder: Path
    job: Path


def write_comparison(output_dir: Path, tested: dict[Place, Tested], dataset: str) -> None:
    """Write `table.md`, `results.csv` and, with matplotlib, `weights.png` and `frontier.png`.

    Args:
        output_dir: where to.
        tested: the models of the finished jobs.
        dataset: the name of what they were tested on.
    """
    results = {place: json.loads((of.folder / RESULTS).read_text("utf-8")) for place, of in tested.items()}
    kept = {place: _retention(of.folder) for place, of in tested.items()}
    runs = [
        Run(*place, result["video_top1"], result["video_top5"], (kept[place] or {}).get("value"))
        for place, result in results.items()
    ]
    config = json.loads((next(iter(tested.values())).folder / "config.json").read_text("utf-8"))
    classes = len(config["id2label"])
    paper = partial(paper_accuracy, config["model_type"], dataset, classes)
    table = as_table(runs, classes, paper if paper(0) is not None else None)
    unknown = sum(kept[place] is None and (of.folder / FORGETTING).is_file() for place, of in tested.items())
    table += _WHY_NO_RETENTION.format(unknown, len(tested)) if unknown else ""
    (output_dir / "table.md").write_text(table, encoding="utf-8")
    _write_csv(output_dir / "results.csv", tested, results, kept)
    if importlib.util.find_spec("matplotlib") is not None:
        _draw(output_dir, runs)
    logger.info("%s\n%s", table, output_dir.resolve())


_WHY_NO_RETENTION = """
{} of {} runs have no retention, because before fine-tuning the encoder was not surely better than chance on the
reference set, or that has no labels: see their `forgetting.md`.
"""


def _retention(folder: Path) -> dict[str, float] | None:
    file = folder / FORGETTING
    return json.loads(file.read_text("utf-8"))["retention"] if file.is_file() else None


def _write_csv(
    file: Path,
    tested: dict[Place, Tested],
    results: dict[Place, dict[str, Any]],
    kept: dict[Place, dict[str, float] | None],
) -> None:
    rows = []
    for place, of in tested.items():
        result, retained = results[place], kept[place] or {}
        rows.append(
            {
                **vars(place.setting),
                "split": place.split,
                "seed": place.seed,
                **{name: result[name] for name in MEASURED},
                **{name: retained.get(key) for name, key in _RETENTION.items()},
                **facts_of(of.job),
                "protocol": result["protocol"],
                "folder": str(of.folder),
            }
        )
    write_rows(file, rows)


def write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as CSV; where one lacks a column that others have, its cell is empty."""
    columns = dict.fromkeys(name for row in rows for name in row)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(columns))
        writer.writeheader()
        writer.writerows(rows)


_RETENTION = {"retention": "value", "retention_low": "low", "retention_high": "high"}


def _what_differs(setting: Setting, among: list[Setting]) -> list[str]:
    """Learning rate and share of the labels, where they are not the same in all settings."""
    words = []
    if len({other.learning_rate for other in among}) > 1:
        words.append(f"rate {setting.learning_rate:g}")
    if len({other.label_fraction for other in among}) > 1:
        words.append(f"{100 * setting.label_fraction:g} % labels")
    return words


def _draw(output_dir: Path, runs: list[Run]) -> None:
    by_setting = runs_by_setting(runs)
    curves: dict[str, dict[float, list[float]]] = {}
    outcomes = []
    for setting, own in by_setting.items():
        differs = _what_differs(setting, list(by_setting))
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
        lambda_figure(curves).savefig(output_dir / "weights.png", dpi=150)
    if outcomes:
        frontier_figure(outcomes).savefig(output_dir / "frontier.png", dpi=150)
