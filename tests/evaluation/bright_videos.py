"""Videos of noise whose brightness tells their class, training clips drawn at random, and a tiny classifier."""

from __future__ import annotations

import random

import datasets
import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import set_seed

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.data.decoding import VideoDecodingError
from hf_selfdistill.data.sampling import ClipSampler

CLASSES, SHAPE = 3, (8, 3, 16, 16)


class Brightness(TestingClips):
    """Videos of two clips of noise that is brighter from class to class; some can't be read."""

    def __init__(self, videos: int, seed: int, unreadable: tuple[int, ...] = ()) -> None:
        names = [str(index) for index in range(videos)]
        columns = {"video": [{"path": name} for name in names], "label": [index % CLASSES for index in range(videos)]}
        sampler = ClipSampler(2, 8, spread=lambda *_: [[0] * 8] * 2)
        super().__init__(datasets.Dataset.from_dict({**columns, "group": names}), sampler, self.black)
        self.seed, self.bad = seed, unreadable

    def black(self, clip: torch.Tensor) -> torch.Tensor:
        return torch.zeros(SHAPE)

    def read(self, index: int) -> list[torch.Tensor]:
        if index in self.bad:
            self._unreadable[index] = True
            raise VideoDecodingError(str(index), "made so")
        generator = torch.Generator().manual_seed(1000 * self.seed + index)
        return [torch.randn(SHAPE, generator=generator) + self.records[index]["label"] for _ in range(2)]


class GlobalDraws(Dataset):
    """Training clips drawn from all global random generators."""

    def __init__(self, frames: int = 8) -> None:
        self.frames = frames

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, object]:
        clip = torch.randn(SHAPE)[: self.frames] + random.random() + np.random.rand()
        return {"pixel_values": clip, "labels": index % 2}


def classifier() -> C3DForVideoClassification:
    set_seed(0)
    return C3DForVideoClassification(
        C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=2)
    )
