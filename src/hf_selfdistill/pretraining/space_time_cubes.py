"""Space-time cubic puzzles, 3D ST (Kim, Cho & Kweon, AAAI 2019, arXiv 1811.09795)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import random_clip
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.data.unlabelled import VideoViews
from hf_selfdistill.models.configuration_video_encoder import VideoEncoderConfig
from hf_selfdistill.pretraining.augmentation import normalisation, read_clips, resized_part
from hf_selfdistill.pretraining.objective import Objective, ObjectiveOutput
from hf_selfdistill.pretraining.objective_arguments import SpaceTimeCubesArguments

__all__ = ["ORDERS", "SpaceTimeCubes"]

CELLS = 4  # cells of a puzzle: 2×2 in space at one time, or 4 in time at one place
ORDERS = tuple(permutations(range(CELLS)))
"""The 24 orders: in order p, the cell at position j was cut at position p[j]."""


class SpaceTimeCubesViews(VideoViews):
    """Four shuffled `cells` `(4, T, C, h, w)` with `order`, `is_temporal` and `is_turned`.

    A video that is too short for four slots gets shorter slots, down to one clip each; a shorter one is repeated.
    """

    def __init__(self, processor: BaseVideoProcessor, num_frames: int, arguments: SpaceTimeCubesArguments) -> None:
        self.num_frames = num_frames
        self.slot = arguments.frames_per_cell or 2 * num_frames
        self.span = CELLS * num_frames
        self.cell = ClipProcessor.size_of(processor)[0]
        self.crop = round(arguments.crop_share * self.cell)
        self.arguments, self.processor = arguments, processor
        self.antialias = ClipProcessor.antialias_of(processor)
        self.normalise = normalisation(processor)

    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        """Return a puzzle; each cell is jittered separately in space and time. Only frames of the cells are read."""
        stride = ClipProcessor.stride_of(self.processor, reader.fps)
        slot = min(self.slot, max(int(reader.num_frames / stride) // CELLS, self.num_frames))
        window = random_clip(reader.num_frames, CELLS * slot, stride)
        is_temporal = bool(torch.rand(()) < 0.5)
        chosen = int(torch.randint(CELLS, ()))  # the slot of a spatial puzzle, the place of a temporal one
        slots, places = (range(CELLS), [chosen] * CELLS) if is_temporal else ([chosen] * CELLS, range(CELLS))
        starts = [number * slot + _draw(slot - self.num_frames) for number in slots]
        parts = read_clips(reader, [window[start : start + self.num_frames] for start in starts])
        sides = parts[0].shape[-2:]
        size = [int(2 * self.cell * side / min(sides)) for side in sides]
        top, left = (_draw(side - 2 * self.cell) for side in size)
        cells = torch.stack(
            [self._cut(part, size, place, top, left) for part, place in zip(parts, places, strict=True)]
        )
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

    def _cut(self, frames: Tensor, size: Sequence[int], place: int, top: int, left: int) -> Tensor:
        """Return a random crop of the cell at `place` in the 2×2 grid whose corner is at `top`, `left`."""
        top += place // 2 * self.cell + _draw(self.cell - self.crop)
        left += place % 2 * self.cell + _draw(self.cell - self.crop)
        return resized_part(frames, size, top, left, self.crop, self.crop, self.antialias)


class SpaceTimeCubes(Objective):
    """Classification of the order, one of 24, in which four cells of a video were cut.

    A window of four slots in time and 2×2 places in space has 16 cells. A spatial puzzle has the four places of one
    slot, a temporal puzzle the four slots of one place; each sample is one of the two at random. The encoder sees each
    cell separately. Two layers classify the four concatenated features; each kind of puzzle has its own layers.

    With the defaults and a model of 16 frames of 112 pixels, cells are 112×112×32 of frames of 224×224, and crops
    80×80×16, as in the paper. There is no released code; the hidden layers have the width of the features, our choice.
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
        """Return views of one puzzle per video.

        Raises:
            ValueError: a cell has fewer frames than a clip, or a crop is too small for the encoder.
        """
        views = SpaceTimeCubesViews(processor, self.encoder.config.num_frames, self.arguments)
        if views.slot < views.num_frames:
            raise ValueError(
                f"`frames_per_cell` is {views.slot}, fewer than the {views.num_frames} frames of a clip; raise it"
            )
        config = self.encoder.config
        smallest = config.minimum_clip[1] if isinstance(config, VideoEncoderConfig) else config.image_size
        if views.crop < smallest:
            raise ValueError(
                f"`crop_share` is {self.arguments.crop_share:.3g}, which gives crops of {views.crop} pixels, but the "
                f"encoder needs {smallest}; raise `crop_share` or the encoder's `image_size`"
            )
        return views

    def forward(self, cells: Tensor, order: Tensor, is_temporal: Tensor, is_turned: Tensor) -> ObjectiveOutput:
        """Return the loss and each kind's accuracy for `cells` `(videos, 4, T, C, h, w)` and labels `(videos,)`."""
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
