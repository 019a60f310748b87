from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset
from transformers import set_seed

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.trainer import VideoTrainer


class EightClips(Dataset):
    """Clips of noise, always the same, of two classes."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(index)
        return {"pixel_values": torch.randn(8, 3, 16, 16, generator=generator) + index % 2, "labels": index % 2}


@pytest.fixture
def clips() -> EightClips:
    return EightClips()


@pytest.fixture
def classifier() -> C3DForVideoClassification:
    set_seed(0)
    config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=2)
    return C3DForVideoClassification(config)


@pytest.fixture
def trainer_of(clips: EightClips, tmp_path: Path) -> Callable[..., VideoTrainer]:
    """A Trainer of four steps of plain gradient descent."""

    def build(model: torch.nn.Module, folder: str = "out", **settings: Any) -> VideoTrainer:
        own = {name: settings.pop(name) for name in ("callbacks", "optimizer_cls_and_kwargs") if name in settings}
        given = {
            "num_train_epochs": 2,
            "per_device_train_batch_size": 4,
            "optim": "sgd",
            "learning_rate": 0.1,
            "lr_scheduler_type": "constant",
            "max_grad_norm": 0,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "use_cpu": True,
            **settings,
        }
        return VideoTrainer(model, VideoTrainingArguments(str(tmp_path / folder), **given), train_dataset=clips, **own)

    return build
