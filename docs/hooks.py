"""MkDocs hook that fills in the help of every subcommand and the changelog."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any

from hf_selfdistill.cli.console import COMMANDS, NAME, main
from hf_selfdistill.pretraining.objectives import OBJECTIVES

COMMANDS_MARK, CHANGELOG_MARK = "<!-- commands -->", "<!-- changelog -->"
FORGETTING = ("evaluate", "--task", "forgetting")


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Replace the marks in a page."""
    if COMMANDS_MARK in markdown:
        return markdown.replace(COMMANDS_MARK, commands())
    changelog = Path(__file__).parents[1] / "CHANGELOG.md"
    return markdown.replace(CHANGELOG_MARK, changelog.read_text(encoding="utf-8"))


def commands() -> str:
    """Return a table of the subcommands and their scripts, and a section with the flags of each."""
    rows = [f"| [`{name}`](#{name}) | `{module}.py` | {says} |" for name, (module, says) in COMMANDS.items()]
    sections = [f"## {name}\n\n```text\n{help_of(name)}\n```" for name in COMMANDS]
    forgetting = f"## The flags of evaluate --task forgetting and relearning\n\n```text\n{help_of(*FORGETTING)}\n```"
    objectives = [f"```text\n{flags_of_objective(name)}\n```" for name in OBJECTIVES]
    table = ["| subcommand | script | purpose |\n|---|---|---|", *rows]
    return "\n\n".join(["\n".join(table), *sections, forgetting, "## The flags of each objective", *objectives])


def help_of(*words: str) -> str:
    """Return the output of `hf-selfdistill <words> --help`."""
    printed, called = io.StringIO(), sys.argv[0]
    sys.argv[0] = NAME
    try:
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main([*words, "--help"])
    finally:
        sys.argv[0] = called
    return printed.getvalue().strip()


def flags_of_objective(name: str) -> str:
    """Return the last section of the help of `pretrain --objective <name>`."""
    return f"--objective {name}\n" + help_of("pretrain", "--objective", name).split("\n\n")[-1]
