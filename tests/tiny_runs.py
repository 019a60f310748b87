"""Fixtures of tiny runs, for all tests: a data set, flags, a fine-tuned model, scripts as a user starts them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import run_processes

from hf_selfdistill.cli import finetune
from hf_selfdistill.data.moving_shapes import write_moving_shapes

ROOT = Path(__file__).parents[1]
TINY = "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16"


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three motions: 18 training and validation videos, 6 test videos."""
    root = tmp_path_factory.mktemp("shapes")
    write_moving_shapes(root, ("moving_left", "moving_right", "moving_up"), videos_per_class=8, num_frames=12, size=32)
    return root


@pytest.fixture(scope="session")
def tiny_flags() -> Callable[..., list[str]]:
    def build(root: Path, output_dir: Path, **overrides: object) -> list[str]:
        flags = {
            "model_name_or_path": "c3d",
            "config_overrides": TINY,
            "dataset": "moving_shapes",
            "dataset_root": root,
            "output_dir": output_dir,
            "num_train_epochs": 2,
            "per_device_train_batch_size": 4,
            "distill_weight": 1,
            "learning_rate": 0.05,
            "optim": "sgd",
            "optim_args": "momentum=0.9",
            "flip_probability": 0,
            "logging_steps": 4,
            "disable_tqdm": True,
            "use_cpu": True,
            **overrides,
        }
        return [word for name, value in flags.items() if value is not None for word in (f"--{name}", str(value))]

    return build


@pytest.fixture(scope="session")
def fine_tuned_once(
    shapes: Path, tiny_flags: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A tiny model fine-tuned for two epochs; only to be read."""
    folder = tmp_path_factory.mktemp("fine-tuned") / "model"
    finetune.main(tiny_flags(shapes, folder))
    return folder


@pytest.fixture
def fine_tuned(fine_tuned_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that model for one test, which can write into it."""
    return shutil.copytree(fine_tuned_once, tmp_path_factory.mktemp("copy") / "model")


@pytest.fixture
def run_script() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script as a user does, on one process or on several."""

    def run(name: str, *words: object, processes: int = 1) -> subprocess.CompletedProcess[str]:
        return run_processes(ROOT / "scripts" / f"{name}.py", *words, processes=processes, timeout=200)

    return run
