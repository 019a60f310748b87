from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import brightness
import pytest
import torch
from torch.utils.data import Dataset
from transformers import set_seed

from hf_selfdistill import C3DConfig, C3DModel, C3DVideoProcessor
from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.objective_arguments import RSPNetArguments
from hf_selfdistill.pretraining.rspnet import RSPNet
from hf_selfdistill.pretraining.trainer import PretrainingTrainer


@dataclass
class Windows(Dataset):
    """What RSPNet takes of a video, made of noise, always the same."""

    videos: int

    def __len__(self) -> int:
        return self.videos

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        frames = torch.randn(2, 16, 3, 16, 16, generator=torch.Generator().manual_seed(index))
        return {"query_frames": frames[0], "key_frames": frames[1]}


@pytest.fixture
def windows() -> type[Windows]:
    return Windows


@pytest.fixture
def tiny_objective() -> Callable[..., RSPNet]:
    def build(**arguments: Any) -> RSPNet:
        set_seed(0)
        encoder = C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
        return RSPNet(encoder, RSPNetArguments(**{"embedding_size": 6, "queue_size": 12, **arguments}))

    return build


@pytest.fixture
def arguments(tmp_path: Path) -> Callable[..., PretrainingArguments]:
    def build(output_dir: str | Path = tmp_path / "run", **overrides: Any) -> PretrainingArguments:
        return brightness.arguments(Path(output_dir), **overrides)

    return build


@pytest.fixture
def make_trainer(
    tiny_objective: Callable[..., RSPNet], arguments: Callable[..., PretrainingArguments]
) -> Callable[..., PretrainingTrainer]:
    def build(
        objective: RSPNet | None = None, videos: int = 12, eval_videos: int = 0, **overrides: Any
    ) -> PretrainingTrainer:
        return PretrainingTrainer(
            objective or tiny_objective(),
            arguments(**overrides),
            train_dataset=Windows(videos),
            eval_dataset=Windows(eval_videos) if eval_videos else None,
            processing_class=C3DVideoProcessor(),
        )

    return build
