"""Queries and their nearest videos, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hf_selfdistill.training.figures import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ExampleVideo", "retrieval_figure"]


@dataclass(frozen=True)
class ExampleVideo:
    """Some frames of a video.

    Args:
        label: its class.
        frames: `(T, H, W, 3)` uint8.
        similarity: cosine to the query; None of the query itself.
    """

    label: str
    frames: np.ndarray
    similarity: float | None = None


def retrieval_figure(query: ExampleVideo, nearest: Sequence[ExampleVideo]) -> Figure:
    """A query on top, its nearest videos below: ✓ and a full frame of its class, ✗ and a dashed frame of another.

    Args:
        query: what was asked for.
        nearest: the nearest first.
    """
    videos = [query, *nearest]
    figure = new_figure(4, 0.25 + sum(_height(video) for video in videos))
    rows = figure.subplots(len(videos), 1, squeeze=False, height_ratios=[_height(video) for video in videos])[:, 0]
    for rank, (axes, video) in enumerate(zip(rows, videos, strict=True)):
        _draw(axes, video)
        if rank == 0:
            axes.set_title(f"query: {video.label}", fontsize=9, loc="left", fontweight="bold")
            continue
        right = video.label == query.label
        mark = "✓" if right else "✗"
        axes.set_title(f"{mark} {rank}. {video.label}  (cosine {video.similarity:.3f})", fontsize=9, loc="left")
        for spine in axes.spines.values():
            spine.set(gid="mark", linewidth=2.5, linestyle="-" if right else (0, (3, 2)))
            spine.set_edgecolor(COLOURS[0] if right else COLOURS[1])
    return figure


def _height(video: ExampleVideo) -> float:
    count, height, width, _ = video.frames.shape
    return 0.3 + 3.8 * height / (width * count)


def _draw(axes: Axes, video: ExampleVideo) -> None:
    axes.imshow(np.concatenate(list(video.frames), axis=1), interpolation="antialiased")
    for number in range(1, len(video.frames)):
        axes.axvline(number * video.frames.shape[2] - 0.5, color="white", linewidth=1.5)
    axes.set(xticks=[], yticks=[])
