"""Execute the notebook in a temporary folder, and store it with its outputs.

python notebooks/run.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FILE = Path(__file__).parent / "first_run.ipynb"


def main() -> None:
    """Run all cells but the one that installs the package."""
    notebook = nbformat.read(FILE, as_version=4)
    install = [cell for cell in notebook.cells if "install" in cell.metadata.get("tags", [])]
    run = notebook.copy()
    run.cells = [cell for cell in notebook.cells if cell not in install]
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(run, timeout=3600, resources={"metadata": {"path": folder}}).execute()
    for cell in run.cells:
        cell.metadata.pop("execution", None)  # times
        # Paths of this machine, and messages of Jupyter about itself, help no reader.
        shown = [output for output in cell.get("outputs", []) if "TqdmWarning" not in output.get("text", "")]
        if "outputs" in cell:
            cell.outputs = json.loads(json.dumps(shown).replace(f"{folder}/", ""), object_hook=nbformat.from_dict)
    nbformat.write(notebook, FILE)


if __name__ == "__main__":
    main()
