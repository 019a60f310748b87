"""The private names of other libraries that we use: an upgrade that changes one breaks a test and not a user."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from evaluate import EvaluationModule
from torch import nn
from torch.nn.modules import batchnorm
from transformers import HfArgumentParser, Pipeline, PreTrainedModel, Trainer
from transformers.modeling_layers import GradientCheckpointingLayer

import hf_selfdistill
from hf_selfdistill.pretraining.trainer import PretrainingTrainer
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

PACKAGE = Path(hf_selfdistill.__file__).parent
TREES = {file: ast.parse(file.read_text()) for file in sorted(PACKAGE.rglob("*.py"))}
OVERRIDDEN = {
    Trainer: {
        "_load_best_model",
        "_load_from_checkpoint",
        "_load_optimizer_and_scheduler",
        "_save",
        "_save_optimizer_and_scheduler",
    },
    PreTrainedModel: {"_init_weights", "_no_split_modules"},
    GradientCheckpointingLayer: {"_gradient_checkpointing_func"},
    EvaluationModule: {"_compute", "_info"},
    Pipeline: {"_forward", "_sanitize_parameters"},
}
LIBRARIES = ("transformers", "accelerate", "datasets", "evaluate", "torch")
USED = {Trainer: {"_prepare_inputs"}, HfArgumentParser: {"_option_string_actions"}, batchnorm: {"_BatchNorm"}}
DOCUMENTED = {"_asdict", "_replace"}  # of named tuples
OURS = {
    **dict.fromkeys(OVERRIDDEN[Trainer] - {"_save"}, SelfDistillationTrainer),
    "_save": PretrainingTrainer,
}


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
                    if base.__module__.split(".")[0] in (
                        "transformers",
                        "accelerate",
                        "datasets",
                        "evaluate",
                        "torch",
                    ):
                        source = inspect.getsource(base)
                        names = filter(is_private, names_set_in(node))
                        yield from ((base, name) for name in names if re.search(rf"\b{name}\b", source))


def test_every_private_name_that_is_used_is_listed_here():
    assert foreign_names_used() - DOCUMENTED == set().union(*USED.values())


def test_every_private_name_that_is_overridden_is_listed_here():
    found = {name for _, name in foreign_names_overridden()}
    assert found == set().union(*OVERRIDDEN.values())


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, names in OVERRIDDEN.items() for name in sorted(names)]
)
def test_the_library_still_calls_what_is_overridden(owner, name):
    # Not the line that defines it, and not a comment.
    assert re.search(rf"^(?!\s*(def\b|#|{name}\b)).*\b{name}\b", inspect.getsource(owner), re.MULTILINE)


@pytest.mark.parametrize(("name", "ours"), sorted(OURS.items()))
def test_our_methods_take_what_the_trainer_hands_them(name, ours):
    theirs = inspect.signature(getattr(Trainer, name)).parameters
    assert list(inspect.signature(getattr(ours, name)).parameters) == list(theirs)


def test_what_is_used_exists():
    assert callable(Trainer._prepare_inputs)
    assert "--help" in HfArgumentParser([])._option_string_actions
    for kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm):
        assert issubclass(kind, batchnorm._BatchNorm)
