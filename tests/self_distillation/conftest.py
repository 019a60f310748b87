from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from random_clips import RandomClips, without_batch_norm
from short_training import SETTINGS
from torch.utils.data import Dataset
from transformers import TrainerCallback, set_seed

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer


@pytest.fixture
def random_clips() -> type[RandomClips]:
    return RandomClips


@pytest.fixture
def tiny_classifier() -> Callable[..., C3DForVideoClassification]:
    def build(batch_norm: bool = True) -> C3DForVideoClassification:
        set_seed(0)
        model = C3DForVideoClassification(
            C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=3)
        )
        return model if batch_norm else without_batch_norm(model)

    return build


@pytest.fixture
def arguments(tmp_path: Path) -> Callable[..., SelfDistillationArguments]:
    def build(**overrides: Any) -> SelfDistillationArguments:
        own = {"num_train_epochs": 3, "distill_weight": 1.0, "dataloader_drop_last": True}
        defaults = {"output_dir": str(tmp_path / "run"), **SETTINGS, **own}
        return SelfDistillationArguments(**{**defaults, **overrides})

    return build


@pytest.fixture
def make_trainer(
    tiny_classifier: Callable[..., C3DForVideoClassification], arguments: Callable[..., SelfDistillationArguments]
) -> Callable[..., SelfDistillationTrainer]:
    def build(
        model: torch.nn.Module | None = None,
        length: int = 12,
        eval_dataset: Dataset | None = None,
        callbacks: Sequence[TrainerCallback] = (),
        **overrides: Any,
    ) -> SelfDistillationTrainer:
        return SelfDistillationTrainer(
            model if model is not None else tiny_classifier(),
            arguments(**overrides),
            train_dataset=RandomClips(length),
            eval_dataset=eval_dataset,
            callbacks=[*callbacks],
        )

    return build


@pytest.fixture
def weights() -> Callable[[torch.nn.Module], dict[str, torch.Tensor]]:
    return lambda model: {name: value.detach().clone() for name, value in model.state_dict().items()}
