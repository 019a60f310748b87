"""Space-time cubic puzzles, 3D ST (Kim, Cho & Kweon, AAAI 2019, arXiv 1811.09795)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from typing import Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as transforms
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import random_clip
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.data.unlabelled import VideoViews
from hf_selfdistill.models.configuration_video_encoder import VideoEncoderConfig
from hf_selfdistill.pretraining.augmentation import normalisation
from hf_selfdistill.pretraining.objective import Objective, ObjectiveOutput

__all__ = ["ORDERS", "SpaceTimeCubes", "SpaceTimeCubesArguments"]

CELLS = 4  # of a puzzle: 2×2 in space at one time, or 4 in time at one place
ORDERS = tuple(permutations(range(CELLS)))
"""The 24 orders; in order p, the cell at place j was cut at place p[j]."""


@dataclass
class SpaceTimeCubesArguments:
    """Space-time cubes."""

    frames_per_cell: Optional[int] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "Frames of one of the 4 slots in time; by default twice the clip's."}
    )
    crop_share: float = field(default=80 / 112, metadata={"help": "Side of the random crop, of a cell's side."})
    replicate_channel: float = field(
        default=1.0, metadata={"help": "Probability of one colour channel in place of all three."}
    )
    rotation: bool = field(default=False, metadata={"help": "Turn half of the puzzles upside down, to be told, too."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("crop_share", "replicate_channel"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
        if self.frames_per_cell is not None and self.frames_per_cell < 1:
            raise ValueError(f"frames_per_cell is {self.frames_per_cell}; it must be at least 1")


class SpaceTimeCubesViews(VideoViews):
    """Four shuffled cells `cells` `(4, T, C, h, w)`, their `order`, `is_temporal` and `is_turned`.

    In a video too short for four slots the slots are shorter, down to a clip each; only then does it repeat.
    """

    def __init__(self, processor: BaseVideoProcessor, num_frames: int, arguments: SpaceTimeCubesArguments) -> None:
        self.num_frames = num_frames
        self.slot = arguments.frames_per_cell or 2 * num_frames
        self.span = CELLS * num_frames
        self.cell = ClipProcessor.size_of(processor)[0]
        self.crop = round(arguments.crop_share * self.cell)
        self.arguments, self.processor = arguments, processor
        self.frame = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Resize(2 * self.cell, antialias=True)])
        self.normalise = normalisation(processor)

    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        """Each cell is jittered on its own, in space and in time; only the frames that cells need are read."""
        stride = ClipProcessor.stride_of(self.processor, reader.fps)
        slot = min(self.slot, max(int(reader.num_frames / stride) // CELLS, self.num_frames))
        window = random_clip(reader.num_frames, CELLS * slot, stride)
        is_temporal = bool(torch.rand(()) < 0.5)
        chosen = int(torch.randint(CELLS, ()))  # the slot of a spatial puzzle, the place of a temporal one
        slots, places = (range(CELLS), [chosen] * CELLS) if is_temporal else ([chosen] * CELLS, range(CELLS))
        starts = [number * slot + _draw(slot - self.num_frames) for number in slots]
        frames = self.frame(reader.read([window[start + i] for start in starts for i in range(self.num_frames)]))
        top, left = (_draw(side - 2 * self.cell) for side in frames.shape[-2:])
        parts = frames.chunk(CELLS)
        cells = torch.stack([self._cut(part, place, top, left) for part, place in zip(parts, places, strict=True)])
        if torch.rand(()) < self.arguments.replicate_channel:
            cells = cells[:, :, torch.randint(3, (1,)).expand(3)]
        order = int(torch.randint(len(ORDERS), ()))
        is_turned = self.arguments.rotation and bool(torch.rand(()) < 0.5)
        cells = self.normalise(cells[list(ORDERS[order])])
        return {
            "cells": cells.rot90(2, (-2, -1)) if is_turned else cells,
            "order": torch.tensor(order),
            "is_temporal": torch.tensor(is_temporal),
            "is_turned": torch.tensor(is_turned),
        }

    def _cut(self, frames: Tensor, place: int, top: int, left: int) -> Tensor:
        """A random crop of the cell at `place` of the 2×2 grid whose corner is at `top`, `left`."""
        top += place // 2 * self.cell + _draw(self.cell - self.crop)
        left += place % 2 * self.cell + _draw(self.cell - self.crop)
        return transforms.crop(frames, top, left, self.crop, self.crop)


class SpaceTimeCubes(Objective):
    """In which order were four cells of a video cut: one of 24.

    A window of four slots in time and 2×2 places gives 16 cells. A spatial puzzle has the four places of one slot, a
    temporal one the four slots of one place; each sample is one of the two, by chance. The encoder sees the cells one
    by one; their four features, side by side, go through two layers to 24 classes, other layers in space than in time.

    With the defaults and a model of 16 frames of 112 pixels, cells are 112×112×32 of frames of 224×224, and crops
    80×80×16, as in the paper. There is no released code; the width of the hidden layers (the features') is ours.
    """

    name = "space_time_cubes"
    Arguments = SpaceTimeCubesArguments
    arguments: SpaceTimeCubesArguments

    def __init__(self, encoder: PreTrainedModel, arguments: SpaceTimeCubesArguments) -> None:
        super().__init__(encoder, arguments)
        dim = self.feature_size
        self.spatial_head, self.temporal_head = (
            nn.Sequential(nn.Linear(CELLS * dim, dim), nn.ReLU(), nn.Linear(dim, len(ORDERS))) for _ in range(2)
        )
        self.rotation_head = nn.Linear(CELLS * dim, 2) if arguments.rotation else None

    def views(self, processor: BaseVideoProcessor) -> SpaceTimeCubesViews:
        """One puzzle per video.

        Raises:
            ValueError: a cell has fewer frames than a clip, or a crop fewer pixels than the encoder needs.
        """
        views = SpaceTimeCubesViews(processor, self.encoder.config.num_frames, self.arguments)
        if views.slot < views.num_frames:
            raise ValueError(
                f"frames_per_cell is {views.slot}, fewer than the {views.num_frames} frames of the encoder's clips"
            )
        config = self.encoder.config
        smallest = config.minimum_clip[1] if isinstance(config, VideoEncoderConfig) else config.image_size
        if views.crop < smallest:
            raise ValueError(
                f"crops of {views.crop} pixels (crop_share {self.arguments.crop_share:.3g} of {views.cell}) are too "
                f"small for the encoder, which needs {smallest}; raise crop_share or image_size"
            )
        return views

    def forward(self, cells: Tensor, order: Tensor, is_temporal: Tensor, is_turned: Tensor) -> ObjectiveOutput:
        """Args are `cells` `(videos, 4, T, C, h, w)`, the others `(videos,)`; logs an accuracy of each kind."""
        features = self.features(cells.flatten(0, 1)).view(len(cells), -1)  # (videos, 4·dim)
        spatial, temporal = self.spatial_head(features), self.temporal_head(features)
        logits = torch.where(is_temporal[:, None], temporal, spatial).float()
        loss = F.cross_entropy(logits, order)
        right = (logits.argmax(1) == order).float()
        metrics = {
            "spatial_accuracy": right.masked_fill(is_temporal, torch.nan),
            "temporal_accuracy": right.masked_fill(~is_temporal, torch.nan),
        }
        if self.rotation_head is not None:
            turned = self.rotation_head(features).float()
            loss = loss + F.cross_entropy(turned, is_turned.long())
            metrics["rotation_accuracy"] = (turned.argmax(1) == is_turned).float()
        return ObjectiveOutput(loss, metrics)


def _draw(most: int) -> int:
    return int(torch.randint(most + 1, ()))
