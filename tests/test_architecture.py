"""The layout of the package: which folder may import which, and how large files and folders are."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import hf_selfdistill

PACKAGE = Path(hf_selfdistill.__file__).parent
MIDDLE = ("self_distillation", "regularizers", "pretraining", "evaluation", "hub")
LAYERS = (("cli",), ("experiments",), ("runs",), ("reporting",), MIDDLE, ("training",), ("models",), ("data",))
BELOW = {
    folder: {name for lower in LAYERS[number + 1 :] for name in lower}
    for number, layer in enumerate(LAYERS)
    for folder in layer
}


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_of(file): file for file in sorted(PACKAGE.rglob("*.py"))}
LINES = {module: len(file.read_text().splitlines()) for module, file in FILES.items()}


def folder_of(module: str) -> str:
    """The folder of a module; empty for the package's own __init__.py and __main__.py."""
    parts = FILES[module].relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def names_imported(source: str, package: str) -> Iterator[str]:
    """Absolute names that a file of `package` imports, in functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def modules_imported(source: str, package: str) -> set[str]:
    """Our modules behind those names; a name of the package itself, such as a public class, is of "hf_selfdistill"."""
    found = set()
    for name in names_imported(source, package):
        while name and name not in FILES:
            name = name.rpartition(".")[0]
        found |= {name} - {""}
    return found


def package_of(module: str) -> str:
    return module if FILES[module].stem == "__init__" else module.rpartition(".")[0]


IMPORTS = {module: modules_imported(file.read_text(), package_of(module)) - {module} for module, file in FILES.items()}


def test_imports_of_every_form_are_seen():
    source = (
        "import hf_selfdistill.hub.export\n"
        "from hf_selfdistill import C3DModel, training\n"
        "from ..models import features\n"
        "def function():\n"
        "    from .decoding import read_frames\n"
    )
    assert modules_imported(source, "hf_selfdistill.data") == {
        "hf_selfdistill",
        "hf_selfdistill.data.decoding",
        "hf_selfdistill.hub.export",
        "hf_selfdistill.models.features",
        "hf_selfdistill.training",
    }


def test_every_folder_has_its_layer():
    assert {*map(folder_of, FILES)} - {""} <= BELOW.keys()


def test_arrows_point_down():
    assert not [
        f"{module} imports {imported}"
        for module in FILES
        for imported in sorted(IMPORTS[module])
        if (folder := folder_of(module)) and folder_of(imported) not in {folder, *BELOW.get(folder, set())}
    ]


def test_files_import_one_another_in_no_circle():
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as circle:
        pytest.fail(" is imported by ".join(circle.args[1]))


def test_a_file_imports_at_most_12_of_our_modules():
    assert not {module: len(IMPORTS[module]) for module in FILES if len(IMPORTS[module]) > 12}


def test_a_file_has_at_most_300_lines():
    assert not {module: lines for module, lines in LINES.items() if lines > 300}


def test_a_folder_has_at_most_18_percent_of_the_lines():
    lines = Counter[str]()
    for module, number in LINES.items():
        lines[folder_of(module)] += number
    assert not {folder: number for folder, number in lines.items() if number > 0.18 * lines.total()}


def test_every_module_has_a_test_of_its_name():
    tests = Path(__file__).parent
    assert not [
        module
        for module, file in FILES.items()
        if not file.stem.startswith("__") and not [*(tests / folder_of(module)).rglob(f"test_{file.stem}.py")]
    ]


def test_there_is_no_drawer_for_odds_and_ends():
    assert not [module for module, file in FILES.items() if file.stem in ("utils", "helpers", "misc", "common")]


def test_scripts_only_call_their_command():
    for script in (PACKAGE.parents[1] / "scripts").glob("*.py"):
        lines = [line for line in ast.parse(script.read_text()).body if not isinstance(line, ast.Expr)]
        assert len(lines) == 2, f"{script.name} does more than import and call main"
