"""The paper's Tables 1 and 2, each of its rows above what was measured here."""

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
"""Which epoch's model was tested → what the tables say of it."""


class Cell(NamedTuple):
    """What a figure is of."""

    model_type: str
    dataset: str
    weight: float
    choice: str


Place = tuple[int, int]  # split and seed
Measured = Mapping[Cell, Mapping[Place, tuple[float, float]]]
"""Top-1 and top-5 of every run, fractions of 1."""

_HEAD = ["Architecture", "Method", "from", *(f"{name} Acc@{k}" for name in DATASETS.values() for k in (1, 5))]


def table_1(measured: Measured) -> str:
    """The comparison with other methods, as Markdown; measured rows that are missing are left out."""
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
    """The sweep of λ, as Markdown; measured rows that are missing are left out."""
    own = sorted({*WEIGHTS, *(cell.weight for cell in measured)})
    rows = []
    for model in MODELS:
        for weight in own:
            method = f"Ours (λ = {weight:g})" if weight else "RSPNet baseline"
            rows += _method_rows(measured, model, method, dict.fromkeys(DATASETS, weight))
    return _markdown(rows)


def _method_rows(measured: Measured, model: str, method: str, weights: Mapping[str, float]) -> list[list[str]]:
    """The paper's row, and one for each choice of the epoch that was measured."""

    def paper(name: str) -> list[str]:
        known = TABLE_2[model, name].get(weights[name])
        return ["", ""] if known is None else [f"{value:.1f}" for value in known]

    def here(name: str, choice: str) -> list[str]:
        runs = measured.get(Cell(model, name, weights[name], choice), {}).values()
        return [in_percent(values) for values in zip(*runs, strict=True)] if runs else ["", ""]

    rows = [_row(model, method, "paper", paper)]
    rows += [_row(model, method, says, partial(here, choice=choice)) for choice, says in CHOICES.items()]
    return [row for row in rows if any(row[3:])]


def _difference_rows(measured: Measured, model: str, best: Mapping[str, float]) -> list[list[str]]:
    """Ours minus the baseline, of the runs that have the same split and seed."""

    def paper(name: str) -> list[str]:
        ours, baseline = TABLE_2[model, name][best[name]], TABLE_2[model, name][0]
        return [f"{a - b:+.1f}" for a, b in zip(ours, baseline, strict=True)]

    def here(name: str) -> list[str]:
        ours = measured.get(Cell(model, name, best[name], "last"), {})
        baseline = measured.get(Cell(model, name, 0.0, "last"), {})
        pairs = [(ours[place], baseline[place]) for place in ours if place in baseline]
        return [_signed([100 * (a[k] - b[k]) for a, b in pairs]) for k in (0, 1)] if pairs else ["", ""]

    rows = [_row(model, "Ours − RSPNet*", "paper", paper), _row(model, "Ours − RSPNet*", CHOICES["last"], here)]
    return [row for row in rows if any(row[3:])]


def _signed(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):+.1f}"
    return mean if len(values) == 1 else f"{mean} ± {spread(values):.1f}"


def _row(model: str, method: str, source: str, figures: Callable[[str], list[str]]) -> list[str]:
    return [MODELS[model], method, source, *(figure for name in DATASETS for figure in figures(name))]


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [_HEAD, ["---"] * len(_HEAD), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
