"""The table of what was shown of a correct teacher, under which way of starting a run; printed after the tests."""

from __future__ import annotations

from collections import Counter

import pytest

PROMISES = {
    1: "teacher = student at an epoch's first step, then at rest",
    2: "λ = 0 is the plain Trainer",
    3: "a resumed run is the uninterrupted one",
    4: "1 × 8 = 8 × 1 accumulated; logs are means of the window",
    5: "two processes = one process",
    6: "distance exactly 0 at equal weights; teacher in no optimizer or model",
    7: "a plain loop of Algorithm 1 gives the same weights",
}
LAUNCHERS = ("single", "accumulation", "bf16", "compile", "DDP-2", "FSDP2-2")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Hand the marks `promise(number, launcher)` of a test on to its report."""
    for mark in item.iter_markers("promise"):
        number, launcher = mark.args
        assert number in PROMISES and launcher in LAUNCHERS, f"{item.nodeid} is marked with an unknown promise"
        item.user_properties.append(("promise", (number, launcher)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tests passed, and failed, by promise and launcher."""
    counts: dict[str, Counter[tuple[int, str]]] = {}
    for outcome in ("passed", "failed"):
        reports = [report for report in terminalreporter.stats.get(outcome, []) if report.when == "call"]
        counts[outcome] = Counter(
            tuple(value) for report in reports for name, value in report.user_properties if name == "promise"
        )
    if not (counts["passed"] or counts["failed"]):
        return
    terminalreporter.section("promises × launchers: tests passed (!n: failed)")
    terminalreporter.write_line(f"{'':70}" + "".join(f"{launcher:>13}" for launcher in LAUNCHERS))
    for number, words in PROMISES.items():
        cells = [
            (f"{counts['passed'][number, launcher] or '–'}" if not counts["failed"][number, launcher] else "")
            + (f"!{counts['failed'][number, launcher]}" if counts["failed"][number, launcher] else "")
            for launcher in LAUNCHERS
        ]
        terminalreporter.write_line(f"{number} {words:68}" + "".join(f"{cell:>13}" for cell in cells))
