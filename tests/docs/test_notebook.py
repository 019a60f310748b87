"""The notebook runs from the first cell to the last, and is stored with its outputs."""

from __future__ import annotations

import os
import re

import nbformat
import pytest
from guides import ROOT
from nbclient import NotebookClient

FILE = ROOT / "notebooks" / "first_run.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(FILE, as_version=4)


def test_the_notebook_is_stored_with_the_outputs_of_one_run(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    ran = [cell for cell in cells if "install" not in cell.metadata.get("tags", [])]
    assert [cell.execution_count for cell in ran] == list(range(1, len(ran) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs and not any(output.output_type == "error" for output in outputs)
    assert not re.search(r"/(tmp|home|root|Users)/", str(outputs))


@pytest.mark.slow
def test_the_notebook_runs(notebook, tmp_path, monkeypatch):
    """Use fewer videos and one epoch, and omit the cell that installs the package."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    notebook.cells = [cell for cell in notebook.cells if "install" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        cell.source = re.sub(r"videos_per_class=\d+", "videos_per_class=4", cell.source)
        cell.source = re.sub(r"--num_train_epochs \d+", "--num_train_epochs 1 --use_cpu true", cell.source)
    NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "first motions" in notebook.cells[-3].outputs[-1].text
    assert len(re.findall("'label'", notebook.cells[-1].outputs[-1].data["text/plain"])) == 3
