"""What we use of other libraries without their promise: an upgrade that changes it breaks a test and not a user.

Private names that we override, read or pass as keywords; undocumented attributes; and texts of their errors and log
lines that our code searches for.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from evaluate import EvaluationModule
from torch import nn
from torch._utils import ExceptionWrapper
from torch.nn.modules import batchnorm
from transformers import HfArgumentParser, Pipeline, PreTrainedModel, Trainer
from transformers.utils import PushInProgress, loading_report
from transformers.utils.hub import cached_files

import hf_selfdistill
from hf_selfdistill.pretraining.trainer import PretrainingTrainer
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

PACKAGE = Path(hf_selfdistill.__file__).parent
TREES = {file: ast.parse(file.read_text()) for file in sorted(PACKAGE.rglob("*.py"))}
OVERRIDDEN = {
    Trainer: {
        "_hp_search_setup",
        "_load_best_model",
        "_load_from_checkpoint",
        "_load_optimizer_and_scheduler",
        "_save",
        "_save_checkpoint",
        "_save_optimizer_and_scheduler",
    },
    PreTrainedModel: {"_init_weights", "_no_split_modules"},
    EvaluationModule: {"_compute", "_info"},
    Pipeline: {"_forward", "_sanitize_parameters"},
}
LIBRARIES = ("transformers", "accelerate", "datasets", "evaluate", "torch")
USED = {
    Trainer: {"_get_output_dir", "_prepare_inputs"},
    HfArgumentParser: {"_actions"},
    batchnorm: {"_BatchNorm"},
    torch: {"_C"},
    torch._C: {"_current_graph_task_id"},
}
KEYWORDS = {
    Trainer.save_model: {"_internal_call"},
    cached_files: {"_raise_exceptions_for_missing_entries"},  # cached_file hands it on
}
UNDOCUMENTED = {
    Trainer: {"is_deepspeed_enabled", "is_fsdp_enabled", "push_in_progress"},
    PushInProgress: {"jobs"},
    AcceleratorState: {"fsdp_plugin"},
    PreTrainedModel: {"loss_function"},
}
TEXTS = {
    "LOAD REPORT": loading_report,
    "CONVERSION": loading_report,
    "Caught ": ExceptionWrapper,
    "Expected more than 1 value per channel": nn.functional,
    "unrecognized arguments": argparse,
}
PROVOKED = {"inline_container.cc", "basic_ios::clear", "empty port"}  # by the last two tests
DOCUMENTED = {"_asdict", "_replace"}  # of named tuples
OURS = {
    **dict.fromkeys(OVERRIDDEN[Trainer] - {"_save"}, SelfDistillationTrainer),
    "_save": PretrainingTrainer,
}


source_of = cache(inspect.getsource)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def names_set_in(tree: ast.AST) -> set[str]:
    """Names that a piece of code gives to functions, classes, variables and attributes."""
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    stored = [node for node in ast.walk(tree) if isinstance(getattr(node, "ctx", None), ast.Store)]
    found |= {node.id for node in stored if isinstance(node, ast.Name)}
    return found | {node.attr for node in stored if isinstance(node, ast.Attribute)}


def foreign_names_used() -> set[str]:
    """Private names that the package reads or imports and that are set nowhere in it."""
    ours = set().union(*map(names_set_in, TREES.values()))
    found = set()
    for tree in TREES.values():
        found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} - ours
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
        for node in imports:
            if not node.module.startswith("hf_selfdistill"):
                found |= {*node.module.split("."), *(alias.name for alias in node.names)}
    return set(filter(is_private, found))


def foreign_names_overridden() -> Iterator[tuple[type, str]]:
    """Private names that a class of the package sets and that the code of a foreign base class knows too."""
    for file, tree in TREES.items():
        module = importlib.import_module(".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts))
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                for base in getattr(module, node.name).__mro__:
                    if base.__module__.split(".")[0] in LIBRARIES:
                        names = filter(is_private, names_set_in(node))
                        yield from ((base, name) for name in names if re.search(rf"\b{name}\b", source_of(base)))


def test_every_private_name_that_is_used_is_listed_here():
    assert foreign_names_used() - DOCUMENTED == set().union(*USED.values())


def test_every_private_name_that_is_overridden_is_listed_here():
    found = {name for _, name in foreign_names_overridden()}
    assert found == set().union(*OVERRIDDEN.values())


def test_the_library_still_calls_what_is_overridden():
    for owner, names in OVERRIDDEN.items():
        for name in names:
            # Not the line that defines it, and not a comment.
            assert re.search(rf"^(?!\s*(def\b|#|{name}\b)).*\b{name}\b", source_of(owner), re.MULTILINE), name


def test_our_methods_take_what_the_trainer_hands_them():
    for name, ours in OURS.items():
        theirs = inspect.signature(getattr(Trainer, name)).parameters
        assert list(inspect.signature(getattr(ours, name)).parameters) == list(theirs), name


def test_what_is_used_exists():
    assert callable(Trainer._prepare_inputs)
    assert [action.dest for action in HfArgumentParser([])._actions] == ["help"]
    assert torch._C._current_graph_task_id() == -1  # outside of a backward pass
    for kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm):
        assert issubclass(kind, batchnorm._BatchNorm)


def test_every_private_keyword_that_is_passed_is_listed_here_and_exists():
    calls = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    passed = {keyword.arg for call in calls for keyword in call.keywords if keyword.arg and is_private(keyword.arg)}
    assert passed == set().union(*KEYWORDS.values())
    for function, names in KEYWORDS.items():
        assert names <= inspect.signature(function).parameters.keys()


def test_undocumented_attributes_exist_and_are_used():
    used = {node.attr for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for owner, names in UNDOCUMENTED.items():
        assert names <= used
        for name in names:
            assert re.search(rf"\b{name}\b", source_of(owner)), f"{owner.__name__} has no {name}"


def test_texts_that_are_searched_for_are_those_of_the_library_and_are_used():
    constants = [node.value for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert {*TEXTS, *PROVOKED} <= {*constants}
    for text, owner in TEXTS.items():
        assert text in source_of(owner), text


def test_a_full_disk_is_an_error_of_torchs_container_or_of_its_stream():
    for values, text in ((1, "basic_ios::clear"), (100_000, "inline_container.cc")):
        with pytest.raises(RuntimeError, match=text):
            torch.save(torch.zeros(values), "/dev/full")


def test_a_port_that_is_taken_is_an_empty_port_that_cannot_be_found():
    http_server = pytest.importorskip("gradio.http_server")
    assert "empty port" in source_of(http_server)
