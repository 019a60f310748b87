"""The paper's Tables 1 and 2, with our own measurements below each row."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from hf_selfdistill.experiments.comparison import in_percent, spread
from hf_selfdistill.experiments.paper_results import BEST_WEIGHT, OTHER_METHODS, TABLE_2, WEIGHTS

__all__ = ["CHOICES", "DATASETS", "MODELS", "Cell", "Measured", "table_1", "table_2"]

MODELS = {"c3d": "C3D", "r2plus1d": "R(2+1)D"}
DATASETS = {"ucf101": "UCF101", "hmdb51": "HMDB51"}
CHOICES = {
    "last": "here, last epoch",
    "validation": "here, best epoch on validation",
    "test": "here, best epoch on test (the released code's way)",
}
"""Choice of the tested epoch → its description in the tables."""


class Cell(NamedTuple):
    """Encoder, data set, λ and choice of the epoch of a measurement."""

    model_type: str
    dataset: str
    weight: float
    choice: str


Measured = Mapping[Cell, Mapping[tuple[int, int], tuple[float, float]]]
"""Cell → split and seed of each run → top-1 and top-5, fractions of 1."""

_HEAD = ["Architecture", "Method", "from", *(f"{name} Acc@{k}" for name in DATASETS.values() for k in (1, 5))]


def table_1(measured: Measured) -> str:
    """Return the comparison with other methods as Markdown, without rows that were not measured."""
    rows = []
    for model in MODELS:
        for method, top1 in OTHER_METHODS[model].items():
            rows.append([MODELS[model], method, "paper", *(x for name in DATASETS for x in (f"{top1[name]:.1f}", ""))])
        best = {name: BEST_WEIGHT[model, name] for name in DATASETS}
        ours = ", ".join(f"{weight:g} on {DATASETS[name]}" for name, weight in best.items())
        rows += _method_rows(measured, model, "RSPNet* (λ = 0)", dict.fromkeys(DATASETS, 0.0))
        rows += _method_rows(measured, model, f"Ours (λ = {ours})", best)
        rows += _difference_rows(measured, model, best)
    return _markdown(rows)


def table_2(measured: Measured) -> str:
    """Return the sweep of λ as Markdown, without rows that were not measured."""
    rows = []
    for model in MODELS:
        for weight in sorted({*WEIGHTS, *(cell.weight for cell in measured)}):
            method = f"Ours (λ = {weight:g})" if weight else "RSPNet baseline"
            rows += _method_rows(measured, model, method, dict.fromkeys(DATASETS, weight))
    return _markdown(rows)


def _method_rows(measured: Measured, model: str, method: str, weights: Mapping[str, float]) -> list[list[str]]:
    """Return the paper's row, and one row per choice of the epoch."""

    def paper(name: str) -> list[str]:
        return [f"{value:.1f}" for value in TABLE_2[model, name].get(weights[name], ())] or ["", ""]

    def here(name: str, choice: str) -> list[str]:
        runs = measured.get(Cell(model, name, weights[name], choice), {}).values()
        return [in_percent(values) for values in zip(*runs, strict=True)] or ["", ""]

    return _rows(model, method, {"paper": paper} | {CHOICES[name]: partial(here, choice=name) for name in CHOICES})


def _difference_rows(measured: Measured, model: str, best: Mapping[str, float]) -> list[list[str]]:
    """Return "Ours" minus the baseline: of the paper, and of runs with the same split and seed."""

    def paper(name: str) -> list[str]:
        ours, baseline = TABLE_2[model, name][best[name]], TABLE_2[model, name][0]
        return [f"{a - b:+.1f}" for a, b in zip(ours, baseline, strict=True)]

    def here(name: str) -> list[str]:
        ours, baseline = (measured.get(Cell(model, name, weight, "last"), {}) for weight in (best[name], 0.0))
        pairs = [(ours[place], baseline[place]) for place in ours if place in baseline]
        return [_signed([100 * (a[k] - b[k]) for a, b in pairs]) for k in (0, 1)] if pairs else ["", ""]

    return _rows(model, "Ours − RSPNet*", {"paper": paper, CHOICES["last"]: here})


def _signed(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):+.1f}"
    return mean if len(values) == 1 else f"{mean} ± {spread(values):.1f}"


def _rows(model: str, method: str, sources: Mapping[str, Callable[[str], list[str]]]) -> list[list[str]]:
    rows = [
        [MODELS[model], method, source, *(value for name in DATASETS for value in values_of(name))]
        for source, values_of in sources.items()
    ]
    return [row for row in rows if any(row[3:])]


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [_HEAD, ["---"] * len(_HEAD), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
