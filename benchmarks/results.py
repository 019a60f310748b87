"""Rewrite the numbers, tables and the figure of docs/results.md and docs/results/ from the runs in docs/data/.

python benchmarks/results.py

A page names a block by `<!-- results: NAME ARGUMENT -->`, and the text up to `<!-- /results -->` is rewritten.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from pathlib import Path

import pandas
from pandas import DataFrame
from PIL import Image

from hf_selfdistill.experiments.comparison import Difference, Run, Setting, paired_difference
from hf_selfdistill.training.figures import look, new_figure

DOCS = Path(os.environ.get("DOCS", Path(__file__).parents[1] / "docs"))
BLOCK = re.compile(r"(<!-- results: ([\w ]+) -->)(.*?)(<!-- /results -->)", re.DOTALL)
KEYS = ["regularizer", "distill_weight", "strength", "share", "learning_rate"]
CONFIRMED = ["labels", "rspnet"]
MEASURES = ("top1", "retention")


def read(name: str, encoder: str | None = None) -> DataFrame:
    """Return the runs of a file, of one encoder or of all; without the file no runs."""
    file = DOCS / "data" / f"{name}.csv"
    rows = pandas.read_csv(file) if file.is_file() else DataFrame(columns=["encoder", *KEYS])
    rows["strength"] = rows["strength"].fillna(-1.0) if "strength" in rows else -1.0
    return rows if encoder is None else rows[rows["encoder"] == encoder]


def runs(rows: DataFrame) -> list[Run]:
    """Return the runs of rows of one setting."""
    one = Setting(1.0, 1.0, "self_distillation", 0.0)
    values = rows.astype(object).where(rows.notna(), None)
    return [Run(one, 1, int(row["seed"]), row["top1"], 1.0, row["retention"]) for _, row in values.iterrows()]


def best(rows: DataFrame, plain: bool | None = None) -> tuple[DataFrame, str]:
    """Return the runs, and the name, of the setting with the best mean accuracy on the validation part."""
    chosen = rows[rows["distill_weight"].eq(0) == plain] if plain is not None else rows
    key = chosen.groupby(KEYS)["validation_top1"].mean().idxmax()
    return rows[(rows[KEYS] == list(key)).all(axis=1)], name_of(key)


def name_of(key: tuple[str, float, float, float, float]) -> str:
    """Return the name of a setting."""
    regularizer, weight, strength, share, rate = key
    name = Setting(1.0, rate, regularizer, weight, share, strength=strength).name
    return f"{name}, rate {rate:g}"


def at(rows: DataFrame, key: tuple[str, float, float, float, float]) -> DataFrame:
    """Return the rows of a setting."""
    return rows[(rows[KEYS] == list(key)).all(axis=1)]


def percent(values: pandas.Series) -> str:
    """Return mean ± standard deviation in percent."""
    known = 100 * values.dropna()
    spread = f" ± {known.std():.1f}" if len(known) > 1 else ""
    return f"{known.mean():.1f}{spread}" if len(known) else ""


def interval(found: Difference | None, bold: bool = False) -> str:
    """Return a difference in points with its interval."""
    if found is None:
        return ""
    mean, low, high = (100 * value for value in (found.mean, found.mean - found.margin, found.mean + found.margin))
    text = f"{mean:+.1f} ({low:+.1f} … {high:+.1f})" if math.isfinite(low) else f"{mean:+.1f}"
    return f"**{text}**" if bold and found.p < 0.05 else text


def table(heads: list[str], lines: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *lines])


def settings(rows: DataFrame) -> str:
    """Return a table with one line per setting."""
    lines = []
    for key, own in rows.groupby(KEYS):
        last = [f"{own['steps'].mean():.0f}", f"{own['ce_loss'].mean():.2f}", str(len(own))]
        values = [percent(own[name]) for name in ("validation_top1", "top1", "retention", "cka")]
        lines.append([name_of(key), *values, *last])
    return table(["setting", "validation top-1", "test top-1", "retention", "CKA", "steps", "CE", "n"], lines)


def compared(encoder: str) -> dict[str, tuple[Difference | None, Difference | None]]:
    """Return the confirmed differences in accuracy and in retention: best against best, and at the same rate."""
    chosen, fresh = read("selection", encoder), read("confirmation", encoder)
    if fresh.empty:
        return {}
    plain, taught = (best(chosen, is_plain)[0][KEYS].iloc[0] for is_plain in (True, False))
    same = taught.copy()
    same["distill_weight"] = 0.0
    family = 4 * sum(not read("confirmation", each).empty for each in CONFIRMED)
    own = runs(at(fresh, tuple(taught)))
    return {
        kind: tuple(  # type: ignore[misc]
            paired_difference(own, runs(at(fresh, tuple(baseline))), what, family) for what in ("top1", "retention")
        )
        for kind, baseline in (("best", plain), ("same", same))
    }


def gain(encoder: str, kind: str, what: str = "top1") -> str:
    """Return one confirmed difference for a sentence."""
    return sentence(compared(encoder)[kind][what == "retention"])


def sentence(found: Difference | None) -> str:
    """Return a difference for a sentence."""
    return "not measured" if found is None else f"{interval(found)} points, n = {found.pairs}, p = {found.p:.2g}"


def confirmation(encoder: str) -> str:
    """Return the confirmed settings, and the differences between them."""
    texts = {"best": "each at its best rate", "same": "plain fine-tuning at the same rate"}
    lines = []
    for kind, (top1, kept) in compared(encoder).items():
        for name, found in (("top-1", top1), ("retention", kept)):
            if found is not None:
                lines.append([texts[kind], name, interval(found, bold=True), f"{found.p:.2g}", str(found.pairs)])
    heads = ["self-distillation against", "measure", "difference in points (corrected 95 % interval)", "p", "n"]
    return settings(read("confirmation", encoder)) + "\n\n" + table(heads, lines)


def rivals(encoder: str) -> str:
    """Return each method at its rate and strength with the best accuracy on the validation part."""
    others = read("rivals", encoder)
    swept = pandas.concat([read("selection", encoder), others])
    if len(others):
        swept = swept[swept["seed"].isin(others["seed"].unique())]
    plain, taught = (
        swept[swept["regularizer"].eq("self_distillation") & (swept["distill_weight"].eq(0) == is_plain)]
        for is_plain in (True, False)
    )
    methods = [
        plain,
        taught,
        *(own for _, own in swept[swept["regularizer"] != "self_distillation"].groupby("regularizer")),
    ]
    baseline, lines = runs(best(plain)[0]), []
    for own in methods:
        rows, name = best(own)
        found = [
            paired_difference(runs(rows), baseline, what, 2 * (len(methods) - 1)) for what in ("top1", "retention")
        ]
        against = ["", ""] if own is plain else [interval(difference, bold=True) for difference in found]
        tried = f"{own.groupby(KEYS).ngroups} settings"
        ce = f"{rows['ce_loss'].mean():.2f}"
        lines.append(
            [
                name,
                tried,
                percent(rows["top1"]),
                against[0],
                percent(rows["retention"]),
                against[1],
                ce,
                str(len(rows)),
            ]
        )
    heads = [
        "method, chosen on validation",
        "tried",
        "test top-1",
        "against plain",
        "retention",
        "against plain",
        "CE",
        "n",
    ]
    return table(heads, lines)


def fresh(encoder: str) -> dict[str, list[tuple[Difference | None, Difference | None]]]:
    """Return the differences of each confirmed method from plain fine-tuning and from self-distillation, by name.

    The first of each pair is in accuracy, the second in retention; all are of the same fresh seeds.
    """
    plain, taught = (best(read("selection", encoder), is_plain)[0][KEYS].iloc[0] for is_plain in (True, False))
    rows = pandas.concat([read("confirmation", encoder), read("rivals_confirmation", encoder)])
    others = [key for key in rows.groupby(KEYS).groups if key[0] != "self_distillation"]
    family = 2 * (2 * len(others) + 1)
    found = {}
    for key in [tuple(plain), tuple(taught), *others]:
        against = [None if key == base else runs(at(rows, base)) for base in (tuple(plain), tuple(taught))]
        found[key] = [
            tuple(
                None if base is None else paired_difference(runs(at(rows, key)), base, what, family)
                for what in MEASURES
            )
            for base in (against[0], None if key == tuple(plain) else against[1])
        ]
    return found  # type: ignore[return-value]


def against(encoder: str) -> str:
    """Return the confirmed methods, each against plain fine-tuning and against self-distillation."""
    rows, lines = pandas.concat([read("confirmation", encoder), read("rivals_confirmation", encoder)]), []
    for key, ((top1, kept), (top1_taught, kept_taught)) in fresh(encoder).items():
        own = at(rows, key)
        cells = [percent(own["top1"]), interval(top1, True), interval(top1_taught, True)]
        cells += [percent(own["retention"]), interval(kept, True), interval(kept_taught, True)]
        lines.append(
            [name_of(key), *cells, f"{own['ce_loss'].mean():.2f}", f"{len(own)} / {own['retention'].count()}"]
        )
    heads = ["method", "top-1", "against plain", "against self-distillation", "retention", "against plain"]
    return table([*heads, "against self-distillation", "CE", "n, top-1 / retention"], lines)


def method(regularizer: str, base: str, what: str = "top1") -> str:
    """Return the difference of a confirmed method from plain fine-tuning or self-distillation for a sentence."""
    found = next(own for key, own in fresh("labels").items() if key[0] == regularizer)[base == "taught"]
    return sentence(found[what == "retention"])


def labels() -> str:
    """Return λ = 0 and λ = 10, each at its best rate, for each number of labelled videos."""
    rows = pandas.concat([read("selection", "labels"), read("few", "labels")])
    rows = rows[rows["distill_weight"].isin([0, 10])]
    lines = []
    for fraction, own in rows.groupby("label_fraction"):
        (plain, _), (taught, _) = best(own, True), best(own, False)
        pairs = [plain, taught], ("top1", "retention")
        found = [paired_difference(runs(taught), runs(plain), what, 6) for what in pairs[1]]
        cells = [f"{each[KEYS].iloc[0]['learning_rate']:g}: {percent(each['top1'])}" for each in pairs[0]]
        kept = [percent(each["retention"]) for each in pairs[0]]
        steps = f"{plain['steps'].mean():.0f}"
        ce = " / ".join(f"{each['ce_loss'].mean():.2f}" for each in pairs[0])
        lines.append(
            [f"{120 * fraction:.0f}", *cells, interval(found[0], True), *kept, interval(found[1], True), steps, ce]
        )
    heads = ["labels a class", "λ = 0, rate: top-1", "λ = 10, rate: top-1", "difference", "λ = 0, retention"]
    return table([*heads, "λ = 10, retention", "difference", "steps", "CE, λ = 0 / 10"], lines)


def count() -> str:
    """Return the number of runs behind the pages."""
    files = [pandas.read_csv(file) for file in sorted((DOCS / "data").glob("*.csv")) if file.stem != "rspnet_on_fight"]
    return str(sum(rows["identity"].nunique() for rows in files))


BLOCKS = {"settings": lambda file, encoder: settings(read(file, encoder))} | {
    own.__name__: own for own in (against, confirmation, count, gain, labels, method, rivals)
}


def rewritten(page: str) -> str:
    """Return the text of a page with all blocks up to date."""

    def block(found: re.Match[str]) -> str:
        name, *arguments = found[2].split()
        text = BLOCKS[name](*arguments)
        inside = f"\n\n{text}\n\n" if "|" in text else text
        return f"{found[1]}{inside}{found[4]}"

    return BLOCK.sub(block, page)


def frontier_points() -> DataFrame:
    """Return mean accuracy and retention of all rates of self-distillation, and of each rival as chosen on validation.

    The encoder is the one trained with labels.
    """
    others = [best(own)[0] for _, own in read("rivals", "labels").groupby("regularizer")]
    rows = pandas.concat([read("selection", "labels"), *others])
    return rows.groupby(KEYS)[["top1", "retention"]].mean().reset_index()


def shown(points: DataFrame) -> str:
    """Return the hash of the points, which the figure carries."""
    return hashlib.sha256(points.to_csv(index=False).encode()).hexdigest()


def draw_frontier(file: Path) -> None:
    """Draw the figure, unless it shows these points already."""
    points = frontier_points()
    if file.is_file() and Image.open(file).info.get("Description") == shown(points):
        return
    figure = new_figure(7.4, 4.6)
    axes = figure.subplots()
    taught = points["regularizer"] == "self_distillation"
    series = [(f"λ = {weight:g}", own) for weight, own in points[taught].groupby("distill_weight")]
    series += [(name_of(row[KEYS]), row.to_frame().T) for _, row in points[~taught].iterrows()]
    for number, (name, own) in enumerate(series):
        x, y = 100 * own["retention"], 100 * own["top1"]
        axes.plot(x, y, label=name, **look(number), markersize=6, linewidth=0.8)
        for place in zip(x, y, own["learning_rate"], strict=True) if len(own) > 1 else ():
            axes.annotate(f"{place[2]:g}", place[:2], fontsize=7, xytext=(4, 4), textcoords="offset points")
    axes.set(xlabel="retention (%)", ylabel="test top-1 (%)")
    axes.set_title("mean over seeds; numbers are learning rates", fontsize=9)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(file, dpi=150, metadata={"Description": shown(points)})


def main() -> None:
    """Rewrite all pages and the figure."""
    draw_frontier(DOCS / "figures" / "frontier.png")
    for page in [DOCS / "results.md", *sorted((DOCS / "results").glob("*.md"))]:
        page.write_text(rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
