"""The house of the project: which part may know which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hf_selfdistill

PACKAGE = Path(hf_selfdistill.__file__).parent
MIDDLE = ("self_distillation", "regularizers", "pretraining", "evaluation", "hub")
MAY_IMPORT = {
    "data": set(),
    "models": {"data"},
    "training": {"models", "data"},
    **{part: {"training", "models", "data"} for part in MIDDLE},
    "commands": {"training", "models", "data", *MIDDLE},
}
FILES = sorted(PACKAGE.glob("*/**/*.py"))


def parts_imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("hf_selfdistill"):
            names = [node.module] if node.module != "hf_selfdistill" else [f"x.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("hf_selfdistill")]
        elif isinstance(node, ast.ImportFrom) and node.level > 1:
            names = [f"x.{node.module}"]  # a relative import that leaves its folder
        else:
            continue
        found |= {name.split(".")[1] for name in names}
    return found


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_arrows_point_down(file):
    above = parts_imported(file) - MAY_IMPORT[part_of(file)] - {part_of(file)}
    assert not above, f"{part_of(file)} must not import {', '.join(sorted(above))}"


def test_the_rule_sees_imports_of_every_form(tmp_path):
    file = tmp_path / "x.py"
    file.write_text(
        "import hf_selfdistill.hub.export\nfrom hf_selfdistill import commands\nfrom ..models import features\n"
    )
    assert parts_imported(file) == {"hub", "commands", "models"}


def test_every_part_has_its_place():
    assert {part_of(file) for file in FILES} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_files_stay_within_300_lines(file):
    assert len(file.read_text().splitlines()) <= 300


def test_every_module_has_a_test_of_its_name():
    tests = Path(__file__).parent
    modules = [file for file in FILES if not file.stem.startswith("__")]
    assert not [file for file in modules if not list((tests / part_of(file)).rglob(f"test_{file.stem}.py"))]


def test_there_is_no_drawer_for_odds_and_ends():
    assert not [file for file in FILES if file.stem in ("utils", "helpers", "misc", "common")]


def test_scripts_only_call_their_command():
    for script in (PACKAGE.parents[1] / "scripts").glob("*.py"):
        lines = [line for line in ast.parse(script.read_text()).body if not isinstance(line, ast.Expr)]
        assert len(lines) == 2, f"{script.name} does more than import and call main"
