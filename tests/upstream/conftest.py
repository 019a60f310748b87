"""The mixins of transformers' own tests, as `make test-upstream` unpacks them from its sdist.

The sdist has the modules at the top of `tests/`, without the folders beside them. The mixins import three modules of
these folders, which are replaced here: tests of `torch.export` and of generation do not run, and `ConfigTester` gets
our arguments. `PipelineTesterMixin` is not used: it loads test modules of these folders, and skips models whose only
processor is a video processor.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

MARKS = ("accelerate_tests", "flash_attn_test", "flash_attn_3_test", "flash_attn_4_test", "torch_compile_test")
# Arguments of every config, with values that are not the defaults, for `ConfigTester`.
COMMON_ARGUMENTS = {
    "return_dict": False,
    "output_hidden_states": True,
    "output_attentions": True,
    "dtype": "float16",
    "chunk_size_feed_forward": 5,
    "architectures": ["C3DModel"],
    "id2label": {0: "jump"},
    "label2id": {"jump": 0},
    "problem_type": "regression",
}


def pytest_configure(config: pytest.Config) -> None:
    for mark in MARKS:
        config.addinivalue_line("markers", f"{mark}: of transformers' tests")
    folder = Path(__file__).parents[2] / ".upstream"
    if (folder / f"transformers-{version('transformers')}.tar.gz").is_file():  # not that of another environment
        sys.path.append(str(folder))
    _replace("exporters", "test_export", ExportTesterMixin=type("ExportTesterMixin", (), {}))
    _replace("generation", "test_utils", GenerationTesterMixin=type("GenerationTesterMixin", (), {}))
    _replace("utils", "test_configuration_utils", config_common_kwargs=COMMON_ARGUMENTS)


def _replace(folder: str, name: str, **contents: Any) -> None:
    package, module = f"transformers_tests.{folder}", f"transformers_tests.{folder}.{name}"
    sys.modules[package] = ModuleType(package)
    sys.modules[module] = ModuleType(module)
    vars(sys.modules[module]).update(contents)
