"""What is installed: the bounds of setup.cfg are versions that the tests ran on."""

from __future__ import annotations

import configparser
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def versions(lines: str, operator: str) -> dict[str, str]:
    """Versions by package, of the lines that have this operator."""
    words = [line.strip().lower() for line in lines.splitlines() if not line.startswith("#")]
    return dict(word.split(operator) for word in words if operator in word)


def test_the_lowest_versions_that_are_allowed_are_those_of_make_test_lowest():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    allowed = versions(setup["options"]["install_requires"], ">=")
    for extra, packages in setup["options.extras_require"].items():
        if extra not in ("bench", "dev"):  # peers that are measured, tools of development
            allowed |= versions(packages, ">=")
    assert allowed == versions((ROOT / "constraints-lowest.txt").read_text(), "==")


def test_the_badges_of_the_readme_name_the_lowest_versions():
    setup, readme = configparser.ConfigParser(), (ROOT / "README.md").read_text()
    setup.read(ROOT / "setup.cfg")
    assert f"![PyTorch {versions(setup['options']['install_requires'], '>=')['torch']} or later]" in readme
    assert f"![Python {setup['options']['python_requires'].removeprefix('>=')} or later]" in readme
    assert f"![Licence: {setup['metadata']['license']}]" in readme


def test_the_versions_of_make_test_are_allowed():
    daily = versions((ROOT / "constraints.txt").read_text(), "==")
    for name, lowest in versions((ROOT / "constraints-lowest.txt").read_text(), "==").items():
        assert [int(part) for part in daily[name].split(".")] >= [int(part) for part in lowest.split(".")], name


def test_citation_and_changelog_have_the_version_and_the_day_of_the_release():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == setup["metadata"]["version"]
    released = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## 0"))
    assert released == f"## {citation['version']} - {citation['date-released']}"


def test_pre_commit_runs_the_version_of_ruff_that_make_lint_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    pins = versions("\n".join(pin for hook in hooks for pin in hook["additional_dependencies"]), "==")
    assert pins["ruff"] == versions((ROOT / "constraints.txt").read_text(), "==")["ruff"]


def test_the_workflow_runs_the_quick_tests_on_the_lowest_python():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())
    assert setup["options"]["python_requires"] == f">={workflow['jobs']['quick']['strategy']['matrix']['python'][0]}"
