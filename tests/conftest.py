"""What all tests share: no network, helpers that tests import by name, and real clips where there are some."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported
# With import mode "importlib" no test folder is on the path; with this, `from videos import write_video` and
# `from reference_nets import ReferenceC3D` work, and so do the plugins: the table of promises, a Hub in memory.
sys.path[:0] = [
    str(Path(__file__).parent / folder) for folder in (".", "data", "docs", "hub", "models", "pretraining")
]
pytest_plugins = ["promises", "hub_server", "tiny_runs"]


@pytest.fixture
def real_data() -> Path:
    """Folder of real clips, named by an environment variable."""
    folder = os.environ.get("HF_SELFDISTILL_REAL_DATA")
    if not folder:
        pytest.skip("HF_SELFDISTILL_REAL_DATA does not name a folder of real clips")
    return Path(folder)
