"""The code blocks of README and guides, and the command lines in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPTS = {script.stem for script in (ROOT / "scripts").glob("*.py")}
NOT_RUN = re.compile(r"^<!-- not run: (.+) -->$")
NOT_OURS = ("python3 -m venv", "source", "pip install", "make", "python benchmarks/", "CLIPS_PER_STEP", "…")


@dataclass(frozen=True)
class Block:
    """A fenced block; `not_run` is the reason that a comment above it gives, or empty."""

    page: Path
    line: int
    language: str
    code: str
    not_run: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    found, lines = [], page.read_text().splitlines()
    start = None
    for number, line in enumerate(lines):
        if line.startswith("```") and start is None:
            start = number
        elif line == "```" and start is not None:
            mark = NOT_RUN.match(lines[start - 1])
            code = "\n".join(lines[start + 1 : number])
            found.append(Block(page, start + 1, lines[start][3:], code, mark[1] if mark else ""))
            start = None
    return found


def command_lines(code: str) -> list[str]:
    """Return the commands of a shell block, one per line, with the values of its variables."""
    joined = re.sub(r"\\\n\s*", " ", code)
    variables = dict(re.findall(r'^(\w+)="([^"]*)"', joined, re.M))
    found = []
    for line in joined.splitlines():
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        line = re.sub(r"\s+#.*$", "", line).strip()
        if line and not re.match(r'#|\w+="|for .*; do$|done$', line):
            found += [part.strip() for part in line.split("&&")]
    return found


def subcommand(line: str) -> list[str] | None:
    """Return the arguments after `hf-selfdistill` or its script; None for another program's command.

    Raises:
        ValueError: the command is neither ours nor among `NOT_OURS`.
    """
    words = shlex.split(line)
    if words[0] in ("hf-selfdistill",):
        return words[1:]
    for index, word in enumerate(words):
        script = re.fullmatch(r"scripts/(\w+)\.py", word)
        if script and script[1] in SCRIPTS:
            return [_name_of(script[1]), *words[index + 1 :]]
    if line.startswith(NOT_OURS):
        return None
    raise ValueError(f"no command of ours: {line}")


def _name_of(module: str) -> str:
    from hf_selfdistill.cli.console import COMMANDS

    return next(name for name, (its_module, _) in COMMANDS.items() if its_module == module)
