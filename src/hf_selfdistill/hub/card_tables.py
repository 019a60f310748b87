"""What a model card says, read back for the run's report, and a line that leads from the card to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from hf_selfdistill.hub.results import END

__all__ = ["REPORT", "CardTable", "card_summary", "card_tables", "link_report"]

REPORT = "report.html"
"""The report on a run, beside its card."""


class CardTable(NamedTuple):
    """A table of a card.

    Args:
        section: the heading it stands under.
        head: names of the columns.
        rows: cells without Markdown's code marks.
    """

    section: str
    head: list[str]
    rows: list[list[str]]


def card_summary(file: Path) -> str | None:
    """The card's first paragraph and its data set, without Markdown's marks; None where there is no card of ours."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    first = re.search(r"^# [^\n]+\n\n(.+?)\n\n", text, re.M | re.S)
    if END not in text or first is None:
        return None
    data = re.search(r"^Data set .+$", text, re.M)
    words = " ".join([*first[1].split(), *([data[0]] if data else [])])
    return re.sub(r"\[(.+?)\]\(.+?\)", r"\1", words).replace("`", "")


def card_tables(file: Path) -> list[CardTable]:
    """All tables of a card, in their order; none where there is no card."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    tables = []
    for section, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S):
        for block in re.findall(r"(?:^\|.*\n)+", body, re.M):
            head, _, *rows = [_cells(line) for line in block.splitlines()]
            tables.append(CardTable(section, head, rows))
    return tables


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]


def link_report(file: Path) -> bool:
    """Puts a line with a link to the report below the card's results, once.

    Returns:
        Whether the file is a card with a place for it; another one is left as it is.
    """
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if END not in text:
        return False
    line = f"Curves, confusions and more: [{REPORT}]({REPORT})."
    if line not in text:
        file.write_text(text.replace(END, f"{END}\n\n{line}", 1), encoding="utf-8")
    return True
