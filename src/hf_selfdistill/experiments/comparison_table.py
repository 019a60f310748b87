"""Table of settings in the layout of the paper's Table 2."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from hf_selfdistill.experiments.comparison import (
    Difference,
    Run,
    Setting,
    best_rates,
    in_percent,
    paired_difference,
    runs_by_setting,
)
from hf_selfdistill.training.accuracies import describe_chance, telling

__all__ = ["as_table"]

Paper = Callable[[float], tuple[float, float] | None]

NOTES = """
Percent; {chance}. Mean ± standard deviation over runs (splits × seeds). "Against" is the mean difference from plain
fine-tuning with the same split, seed, learning rate, labels and choice of the epoch, ± the standard deviation over the
pairs.
Plain fine-tuning at a lower learning rate is compared with plain fine-tuning at the highest. p is the p value of a
two-sided sign-flip test over the n pairs; it cannot fall below 2 / 2ⁿ. A large p shows no difference. Seeds of one
split share its test videos, so a small p applies to these videos first. "Best on test" selects the epoch on the test
videos. "CE" is the last logged cross-entropy of the training. The paper's values are for its own learning rate.
"""
PLAIN: dict[str, Any] = {"regularizer": "self_distillation", "distill_weight": 0.0, "share": 1.0, "strength": -1.0}
ONE_RATE = """
λ > 0 and λ = 0 are compared at one learning rate only, so a difference can be an effect of that rate: `learning_rates`
takes several.
"""
CHOSEN = """
"Best rate" rows: each method at the learning rate with the best mean accuracy on the validation part, against λ = 0 at
its own best rate. The choice uses the same runs, so confirm a difference with other seeds.
"""


def as_table(runs: Sequence[Run], classes: int, paper: Paper | None = None) -> str:
    """Return a Markdown table with one row per setting, sorted by share of labels and learning rate.

    Args:
        runs: runs of all settings.
        classes: number of classes of the data set.
        paper: maps λ to the paper's top-1 and top-5 in percent; None for other data sets.
    """
    by_setting = runs_by_setting(runs)
    wide = "video_top5" in telling(classes)
    accuracies = ["Acc@1", "Acc@5"] if wide else ["Acc@1"]
    heads = [
        "Method",
        "labels",
        "learning rate",
        *accuracies,
        "against, top-1",
        "p",
        "retention",
        "against, retention",
        "p",
        "steps",
        "CE",
        "runs",
    ]
    heads += ["paper, Acc@1 / Acc@5"] if paper is not None else []
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for setting, own in by_setting.items():
        cells = _cells(setting, own, _baseline(setting, by_setting), wide)
        if paper is not None:
            in_paper = setting.regularizer == "self_distillation" and setting.label_fraction == 1
            known = paper(setting.distill_weight) if in_paper else None
            cells.append("" if known is None else f"{known[0]:.1f} / {known[1]:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    chosen = best_rates(by_setting)
    for method, setting in chosen.items():
        plain = chosen.get(dataclasses.replace(method, **PLAIN))
        if plain is not None:
            cells = _cells(setting, by_setting[setting], [] if plain == setting else by_setting[plain], wide)
            cells[0] += ", best rate"
            lines.append(f"| {' | '.join(cells + [''] * (len(heads) - len(cells)))} |")
    notes = NOTES.format(chance=describe_chance(classes)) + (CHOSEN if chosen else "")
    rates = {setting.learning_rate for setting in by_setting}
    held = any(setting.distill_weight for setting in by_setting) and any(setting.is_baseline for setting in by_setting)
    return "\n".join(lines) + "\n" + notes + (ONE_RATE if held and len(rates) == 1 else "")


def _baseline(setting: Setting, by_setting: dict[Setting, list[Run]]) -> list[Run]:
    """Return the runs of plain fine-tuning at the same learning rate; for plain fine-tuning, at the highest rate."""
    same = (setting.label_fraction, setting.epoch)
    plain = [other for other in by_setting if other.is_baseline and (other.label_fraction, other.epoch) == same]
    rate = max(other.learning_rate for other in plain) if setting.is_baseline else setting.learning_rate
    if setting.is_baseline and setting.learning_rate == rate:
        return []
    return [run for other in plain if other.learning_rate == rate for run in by_setting[other]]


def _cells(setting: Setting, own: Sequence[Run], baseline: Sequence[Run], wide: bool) -> list[str]:
    kept = [run.retention for run in own if run.retention is not None]
    return [
        setting.name,
        f"{100 * setting.label_fraction:g} %",
        f"{setting.learning_rate:g}",
        in_percent([run.top1 for run in own]),
        *([in_percent([run.top5 for run in own])] if wide else []),
        *_against(paired_difference(own, baseline)),
        in_percent(kept) if kept else "",
        *_against(paired_difference(own, baseline, "retention")),
        _mean([run.steps for run in own], "{:.0f}"),
        _mean([run.ce_loss for run in own], "{:.2f}"),
        str(len(own)),
    ]


def _against(difference: Difference | None) -> tuple[str, str]:
    if difference is None:
        return "", ""
    return f"{100 * difference.mean:+.1f} ± {100 * difference.spread:.1f}", f"{difference.p:.2g}"


def _mean(values: Sequence[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return form.format(statistics.fmean(known)) if known else ""
