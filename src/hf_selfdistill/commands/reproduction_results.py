"""What the runs of a reproduction left behind, gathered: the paper's two tables and a CSV file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_selfdistill.commands.comparison import write_rows
from hf_selfdistill.commands.job_record import facts_of
from hf_selfdistill.commands.reproduction import Row, tested_models
from hf_selfdistill.commands.run_files import RESULTS
from hf_selfdistill.experiments.paper_tables import Cell, table_1, table_2
from hf_selfdistill.training.accuracies import MEASURED
from hf_selfdistill.training.best_epochs import CHOICE

__all__ = ["write_results"]

NOTES = """
Percent. "paper" rows are quoted (Zhou et al., arXiv 2205.00506: one run, split 1), "here" rows were measured by this
command; mean ± standard deviation over runs (splits × seeds) where there are several, and `results.csv` has each run.

- *Last epoch* chooses nothing. *Best on validation* is chosen on training videos that were held out by whole groups,
  and tested once. *Best on test* is how RSPNet's released code chooses: by the test videos that it then reports on, so
  it flatters.
- The paper does not say which epoch it reports, and its λ in Table 1 is the best of its Table 2, that is, on test.
- "Ours − RSPNet*" is the mean difference of runs with the same split and seed.
"""
SMOKE_NOTES = """
**A smoke run**: networks of a few channels, a few steps, generated videos of six classes in the place of UCF101 and
HMDB51. Its "here" rows say that the chain works and nothing else; they must not be compared with the paper's.
"""


def write_results(output_dir: Path, folders: Mapping[Row, Path], smoke: bool) -> str:
    """Write `table1.md`, `table2.md` and `results.csv` of the finished runs.

    Returns:
        Table 1.
    """
    lines = [
        _line(row, choice, folder) for row, run in folders.items() for choice, folder in tested_models(run).items()
    ]
    measured: dict[Cell, dict[tuple[int, int], tuple[float, float]]] = {}
    for line in lines:
        cell = Cell(line["model_type"], line["dataset"], line["distill_weight"], line["choice"])
        place = line["split"], line["seed"]
        measured.setdefault(cell, {})[place] = line["video_top1"], line["video_top5"]
    for number, table in enumerate((table_1(measured), table_2(measured)), start=1):
        text = "\n".join([f"# Table {number}", *([SMOKE_NOTES] if smoke else [""]), table]) + NOTES
        (output_dir / f"table{number}.md").write_text(text, encoding="utf-8")
    write_rows(output_dir / "results.csv", lines)
    return table_1(measured)


def _line(row: Row, choice: str, folder: Path) -> dict[str, Any]:
    result = json.loads((folder / RESULTS).read_text("utf-8"))
    chosen = json.loads((folder / CHOICE).read_text("utf-8")) if choice != "last" else {"epoch": "last"}
    run = folder if choice == "last" else folder.parent
    return {
        "model_type": row.model_type,
        "dataset": row.dataset,
        "distill_weight": row.weight,
        "split": row.split,
        "seed": row.seed,
        "choice": choice,
        "epoch": chosen["epoch"],
        **{name: result[name] for name in MEASURED},
        "protocol": result["protocol"],
        **facts_of(run),
        "folder": str(folder),
    }
