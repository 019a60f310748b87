"""Rewrite the numbers, tables and the figure of README, docs/results.md and docs/results/ from the runs in docs/data/.

python benchmarks/results.py

A page names a block by `<!-- results: NAME ARGUMENT -->`; the text up to `<!-- /results -->` is rewritten.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from pathlib import Path
from typing import Any

import pandas
from pandas import DataFrame
from PIL import Image

from hf_selfdistill.experiments.comparison import Difference, Run, Setting, paired_difference
from hf_selfdistill.training.figures import look, new_figure

DOCS = Path(os.environ.get("DOCS", Path(__file__).parents[1] / "docs"))
BLOCK = re.compile(r"(<!-- results: ([\w ]+) -->)(.*?)(<!-- /results -->)", re.DOTALL)
KEYS = ["regularizer", "distill_weight", "strength", "share", "learning_rate"]
MEASURES = ("top1", "retention")
Key = tuple[Any, ...]  # a value of each of KEYS


def read(name: str, encoder: str) -> DataFrame:
    """Return the runs of a file and an encoder; without the file no runs."""
    file = DOCS / "data" / f"{name}.csv"
    rows = pandas.read_csv(file) if file.is_file() else DataFrame(columns=["encoder", *KEYS])
    rows["strength"] = rows["strength"].fillna(-1.0) if "strength" in rows else -1.0
    return rows[rows["encoder"] == encoder]


def at(rows: DataFrame, key: Key) -> DataFrame:
    """Return the rows of a setting."""
    return rows[(rows[KEYS] == list(key)).all(axis=1)]


def best(rows: DataFrame) -> Key:
    """Return the setting with the best mean accuracy on the validation part."""
    return tuple(rows.groupby(KEYS)["validation_top1"].mean().idxmax())


def is_plain(rows: DataFrame) -> pandas.Series:
    """Return which rows are of plain fine-tuning."""
    return rows["regularizer"].eq("self_distillation") & rows["distill_weight"].eq(0)


def is_taught(rows: DataFrame) -> pandas.Series:
    """Return which rows are of self-distillation."""
    return rows["regularizer"].eq("self_distillation") & rows["distill_weight"].gt(0)


def chosen(encoder: str) -> tuple[Key, Key]:
    """Return the settings of plain fine-tuning and of self-distillation that were chosen for the confirmation."""
    rows = read("selection", encoder)
    return best(rows[is_plain(rows)]), best(rows[is_taught(rows)])


def difference(rows: DataFrame, key: Key, base: Key, family: int) -> list[Difference | None]:
    """Return the differences of two settings in accuracy and retention, corrected for a family of comparisons."""
    one = Setting(1.0, 1.0, "self_distillation", 0.0)
    sides = []
    for own in (at(rows, key), at(rows, base)):
        values = own.astype(object).where(own.notna(), None)
        sides.append([Run(one, 1, row["seed"], row["top1"], 1.0, row["retention"]) for _, row in values.iterrows()])
    return [paired_difference(*sides, what, family) for what in MEASURES]


def name_of(key: Key) -> str:
    """Return the name of a setting."""
    regularizer, weight, strength, share, rate = key
    return f"{Setting(1.0, rate, regularizer, weight, share, strength=strength).name}, rate {rate:g}"


def percent(values: pandas.Series) -> str:
    """Return mean ± standard deviation in percent."""
    known = 100 * values.dropna()
    spread = f" ± {known.std():.1f}" if len(known) > 1 else ""
    return f"{known.mean():.1f}{spread}" if len(known) else ""


def interval(found: Difference | None) -> str:
    """Return a difference in points with its interval, bold if p < 0.05 after the correction."""
    if found is None:
        return ""
    mean, low, high = (100 * value for value in (found.mean, found.mean - found.margin, found.mean + found.margin))
    text = f"{mean:+.1f} ({low:+.1f} … {high:+.1f})" if math.isfinite(low) else f"{mean:+.1f}"
    return f"**{text}**" if found.p < 0.05 else text


def table(heads: str, lines: list[list[str]]) -> str:
    """Return a Markdown table; the heads are separated by `|`."""
    names = heads.split("|")
    return "\n".join(f"| {' | '.join(line)} |" for line in [names, ["---"] * len(names), *lines])


def settings(file: str, encoder: str) -> str:
    """Return a table of all settings of a file."""
    lines = []
    for key, own in read(file, encoder).groupby(KEYS):
        last = [f"{own['steps'].mean():.0f}", f"{own['ce_loss'].mean():.2f}", str(len(own))]
        lines.append([name_of(key), *(percent(own[name]) for name in ("validation_top1", *MEASURES, "cka")), *last])
    return table("setting|validation top-1|test top-1|retention|CKA|steps|CE|n", lines)


def confirmed(encoder: str) -> dict[str, list[Difference | None]]:
    """Return the differences that were fixed beforehand: best against best, and at the same rate."""
    rows = read("confirmation", encoder)
    if rows.empty:
        return {}
    plain, taught = chosen(encoder)
    family = 4 * pandas.read_csv(DOCS / "data" / "confirmation.csv")["encoder"].nunique()
    bases = {"best": plain, "same": ("self_distillation", 0, *taught[2:])}
    return {name: difference(rows, taught, base, family) for name, base in bases.items()}


def confirmation(encoder: str) -> str:
    """Return the confirmed settings, and the differences between them."""
    texts = {"best": "each at its best rate", "same": "plain fine-tuning at the same rate"}
    lines = [
        [texts[kind], name, interval(found), f"{found.p:.2g}", str(found.pairs)]
        for kind, differences in confirmed(encoder).items()
        for name, found in zip(("top-1", "retention"), differences, strict=True)
        if found is not None
    ]
    heads = "self-distillation against|measure|difference in points (corrected 95 % interval)|p|n"
    return f"{settings('confirmation', encoder)}\n\n{table(heads, lines)}"


def fresh(encoder: str) -> dict[Key, list[list[Difference | None]]]:
    """Return the differences of each method from plain fine-tuning and from self-distillation, on the fresh seeds."""
    rows = pandas.concat([read("confirmation", encoder), read("rivals_confirmation", encoder)])
    bases = chosen(encoder)
    others = [key for key in rows.groupby(KEYS).groups if key[0] != "self_distillation"]
    family = 2 * (2 * len(others) + 1)
    return {
        key: [[None, None] if key == base else difference(rows, key, base, family) for base in bases]
        for key in [*bases, *others]
    }


def against(encoder: str) -> str:
    """Return the confirmed methods, each against plain fine-tuning and against self-distillation."""
    rows, lines = pandas.concat([read("confirmation", encoder), read("rivals_confirmation", encoder)]), []
    for key, ((top1, kept), (top1_taught, kept_taught)) in fresh(encoder).items():
        own = at(rows, key)
        line = [name_of(key), percent(own["top1"]), interval(top1), interval(top1_taught), percent(own["retention"])]
        counts = f"{len(own)} / {own['retention'].count()}"
        lines.append([*line, interval(kept), interval(kept_taught), f"{own['ce_loss'].mean():.2f}", counts])
    heads = "method|top-1|against plain|against self-distillation|retention|against plain|against self-distillation"
    return table(f"{heads}|CE|n, top-1 / retention", lines)


def brief(encoder: str) -> str:
    """Return the confirmed methods against plain fine-tuning, for README."""
    rows, lines = pandas.concat([read("confirmation", encoder), read("rivals_confirmation", encoder)]), []
    for key, ((top1, kept), _) in fresh(encoder).items():
        own = at(rows, key)
        values = [percent(own["top1"]), interval(top1), percent(own["retention"]), interval(kept)]
        lines.append([name_of(key), *values, f"{len(own)} / {own['retention'].count()}"])
    return table("method|top-1 (%)|against plain|retention (%)|against plain|runs", lines)


def rivals(encoder: str) -> str:
    """Return each method at its rate and strength with the best accuracy on the validation part."""
    rows, lines = pandas.concat([read("selection", encoder), read("rivals", encoder)]), []
    rest = rows[rows["regularizer"] != "self_distillation"]
    methods = [rows[is_plain(rows)], rows[is_taught(rows)], *(own for _, own in rest.groupby("regularizer"))]
    plain = best(methods[0])
    for own in methods:
        key = best(own)
        top1, kept = [None, None] if key == plain else difference(rows, key, plain, 2 * (len(methods) - 1))
        chosen_rows, tried = at(own, key), str(own.groupby(KEYS).ngroups)
        values = [percent(chosen_rows["top1"]), interval(top1), percent(chosen_rows["retention"]), interval(kept)]
        lines.append([name_of(key), tried, *values, f"{chosen_rows['ce_loss'].mean():.2f}", str(len(chosen_rows))])
    return table("method|settings tried|test top-1|against plain|retention|against plain|CE|n", lines)


def labels() -> str:
    """Return λ = 0 and λ = 10, each at its best rate, for each number of labelled videos."""
    rows = pandas.concat([read("selection", "labels"), read("few", "labels")])
    lines = []
    for fraction, own in rows[rows["distill_weight"].isin([0, 10])].groupby("label_fraction"):
        keys = [best(own[is_plain(own)]), best(own[is_taught(own)])]
        found = [interval(each) for each in difference(own, keys[1], keys[0], 6)]
        cells = [f"{percent(at(own, key)['top1'])} (rate {key[-1]:g})" for key in keys]
        kept = [percent(at(own, key)["retention"]) for key in keys]
        ce = " / ".join(f"{at(own, key)['ce_loss'].mean():.2f}" for key in keys)
        steps, n = f"{own['steps'].mean():.0f}", str(len(at(own, keys[1])))
        lines.append([f"{120 * fraction:.0f}", *cells, found[0], *kept, found[1], steps, ce, n])
    heads = "labels a class|λ = 0, top-1|λ = 10, top-1|difference|λ = 0, retention|λ = 10, retention|difference"
    return table(f"{heads}|steps|CE, λ = 0 / 10|n", lines)


def sentence(found: Difference | None) -> str:
    """Return a difference for a sentence."""
    return "not measured" if found is None else f"{interval(found)} points, n = {found.pairs}, p = {found.p:.2g}"


def gain(encoder: str, kind: str, what: str = "top1") -> str:
    """Return one difference that was fixed beforehand."""
    return sentence(confirmed(encoder)[kind][MEASURES.index(what)])


def method(encoder: str, regularizer: str, base: str, what: str = "top1") -> str:
    """Return the difference of a method from `plain` fine-tuning or from self-distillation (`taught`)."""
    found = next(own for key, own in fresh(encoder).items() if key[0] == regularizer)
    return sentence(found[base == "taught"][MEASURES.index(what)])


def count() -> str:
    """Return the number of runs behind the pages."""
    files = [pandas.read_csv(file) for file in sorted((DOCS / "data").glob("*.csv")) if file.stem != "rspnet_on_fight"]
    return str(sum(rows["identity"].nunique() for rows in files))


BLOCKS = {own.__name__: own for own in (against, brief, confirmation, count, gain, labels, method, rivals, settings)}


def rewritten(page: str) -> str:
    """Return the text of a page with all blocks up to date."""

    def block(found: re.Match[str]) -> str:
        name, *arguments = found[2].split()
        text = BLOCKS[name](*arguments)
        return f"{found[1]}\n\n{text}\n\n{found[4]}" if "|" in text else f"{found[1]}{text}{found[4]}"

    return BLOCK.sub(block, page)


def frontier_points() -> DataFrame:
    """Return mean accuracy and retention of self-distillation at all rates, and of each rival as chosen on validation.

    The encoder is the one trained with labels.
    """
    others = read("rivals", "labels")
    rest = others[others["regularizer"] != "self_distillation"]
    rows = [at(own, best(own)) for _, own in rest.groupby("regularizer")]
    found = pandas.concat([read("selection", "labels"), *rows])
    return found.groupby(KEYS)[list(MEASURES)].mean().reset_index()


def shown(points: DataFrame) -> str:
    """Return the hash of the points, which the figure carries."""
    return hashlib.sha256(points.round(6).to_csv(index=False).encode()).hexdigest()


def draw_frontier(file: Path) -> None:
    """Draw the figure, unless it shows these points already."""
    points = frontier_points()
    if file.is_file() and Image.open(file).info.get("Description") == shown(points):
        return
    figure = new_figure(7.4, 4.6)
    axes = figure.subplots()
    curves = points["regularizer"] == "self_distillation"
    series = [(f"λ = {weight:g}", own) for weight, own in points[curves].groupby("distill_weight")]
    series += [(name_of(tuple(row[KEYS])), row.to_frame().T) for _, row in points[~curves].iterrows()]
    for number, (name, own) in enumerate(series):
        x, y = 100 * own["retention"], 100 * own["top1"]
        line = {"linestyle": "-" if len(own) > 1 else "", "markersize": 6, "linewidth": 0.8}
        axes.plot(x, y, label=name, **look(number) | line)
        for place in zip(x, y, own["learning_rate"], strict=True) if len(own) > 1 else ():
            axes.annotate(f"{place[2]:g}", place[:2], fontsize=7, xytext=(4, 4), textcoords="offset points")
    axes.set(xlabel="retention (%)", ylabel="test top-1 (%)")
    axes.set_title("mean over seeds; numbers are learning rates", fontsize=9)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(file, dpi=150, metadata={"Description": shown(points)})


if __name__ == "__main__":
    draw_frontier(DOCS / "figures" / "frontier.png")
    pages = [DOCS.parent / "README.md", DOCS / "results.md", *sorted((DOCS / "results").glob("*.md"))]
    for markdown in filter(Path.is_file, pages):
        markdown.write_text(rewritten(markdown.read_text(encoding="utf-8")), encoding="utf-8")
