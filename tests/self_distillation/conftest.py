from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from short_training import SETTINGS
from torch.utils.data import Dataset
from transformers import TrainerCallback, set_seed

from hf_selfdistill.models import C3DConfig, C3DForVideoClassification
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer


class RandomClips(Dataset):
    """Clips of noise, always the same, with a class that their brightness tells."""

    def __init__(self, length: int) -> None:
        generator = torch.Generator().manual_seed(7)
        self.labels = torch.arange(length) % 3
        self.clips = torch.randn(length, 8, 3, 16, 16, generator=generator) + self.labels.view(-1, 1, 1, 1, 1) / 3

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"pixel_values": self.clips[index], "labels": self.labels[index]}


def without_batch_norm(model: torch.nn.Module) -> torch.nn.Module:
    """Larger weights make up for the normalisation: with PyTorch's own, hardly a feature would stay alive."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.BatchNorm3d):
                setattr(module, name, torch.nn.Identity())
            elif isinstance(child, torch.nn.Conv3d):
                child.weight.data.mul_(3.5)
    return model


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
