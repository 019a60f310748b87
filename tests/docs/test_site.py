"""The site builds without warnings and network, and its reference is complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from guides import ROOT

import hf_selfdistill
from hf_selfdistill.cli.console import COMMANDS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_a_page_loads_nothing_from_another_server(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        text = page.read_text()
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]*\ssrc="?([^" >]+)', text)
        loaded += re.findall(r'<link[^>]*\shref="?([^" >]+)', text)
        assert loaded and not [url for url in loaded if "//" in url], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?https?:", style.read_text()), style


@pytest.mark.slow
def test_the_reference_has_every_public_name(site):
    text = (site / "reference" / "python" / "index.html").read_text()
    for name in hf_selfdistill.__all__:
        thing = getattr(hf_selfdistill, name)
        assert f'id="{thing.__module__}.{thing.__name__}"' in text, f"{name} is not in docs/reference/python.md"


@pytest.mark.slow
def test_the_reference_has_the_flags_of_every_subcommand(site):
    text = (site / "reference" / "command_line" / "index.html").read_text()
    for name in COMMANDS:
        assert f"usage: hf-selfdistill {name}" in text
    for flag in ("--distill_weight", "--num_clips", "--source", "--key_momentum", "--max_pace"):
        assert flag in text


def test_the_reference_lists_the_public_names_and_no_others():
    listed = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "reference" / "python.md").read_text(), re.M)
    public = [getattr(hf_selfdistill, name) for name in hf_selfdistill.__all__]
    assert sorted(listed) == sorted(f"{thing.__module__}.{thing.__name__}" for thing in public)


@pytest.mark.parametrize("page", ["paper.md", "fidelity.md"])
def test_files_and_tests_named_by_a_page_of_evidence_exist(page):
    text = (ROOT / "docs" / page).read_text()
    named = set(re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.(?:py|yaml))`", text))
    assert len(named) > (15 if page == "paper.md" else 10)
    for name in named:
        top = ROOT if name.startswith("configs/") else ROOT / ("tests" if "/test_" in name else "src/hf_selfdistill")
        assert (top / name).is_file(), name
