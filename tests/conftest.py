"""What all tests share: no network, helpers that tests import by name, and real clips where there are some."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: tiny tensors gain nothing from threads
os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported
# With import mode "importlib" no test folder is on the path; with this, `from videos import write_video` and
# `from reference_nets import ReferenceC3D` work, and so do the plugins: the table of promises, a Hub in memory.
sys.path[:0] = [
    str(Path(__file__).parent / folder)
    for folder in (".", "data", "docs", "evaluation", "hub", "models", "pretraining", "self_distillation", "training")
]
pytest_plugins = ["promises", "hub_server", "tiny_runs"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Exempt the objects of imported modules from garbage collections: each training collects, 0.3 seconds a time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def real_data() -> Path:
    """Folder of real clips, named by an environment variable."""
    folder = os.environ.get("HF_SELFDISTILL_REAL_DATA")
    if not folder:
        pytest.skip("HF_SELFDISTILL_REAL_DATA does not name a folder of real clips")
    return Path(folder)
