"""Imports and the overview of the command line load no heavy library."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "datasets", "evaluate", "av", "numpy", "sklearn")


@pytest.mark.parametrize(
    "code",
    ["import hf_selfdistill", "from hf_selfdistill.cli.console import main; main(['--help'])"],
    ids=["the package", "the overview"],
)
def test_no_heavy_library_is_loaded_by(code):
    check = f"import sys; loaded = set({HEAVY}) & sys.modules.keys(); assert not loaded, loaded"
    subprocess.run([sys.executable, "-c", f"{code}\n{check}"], check=True)
