"""Queries and their nearest videos, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from hf_selfdistill.reporting.pictures import Picture, image_as_picture

__all__ = ["ExampleVideo", "Filmstrip", "retrieval_filmstrips"]

GAP, WIDTH = 2, 384  # pixels of white between two frames, and of the page from end to end


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


@dataclass(frozen=True)
class Filmstrip:
    """A video's frames, side by side.

    Args:
        words: what stands above it.
        kind: `query`; of a nearest video `right`, of the query's class, or `wrong`.
        picture: the frames.
    """

    words: str
    kind: str
    picture: Picture


def retrieval_filmstrips(query: ExampleVideo, nearest: Sequence[ExampleVideo]) -> list[Filmstrip]:
    """The query, then its nearest videos: ✓ where it is of the query's class, ✗ where of another.

    Args:
        query: what was asked for.
        nearest: the nearest first.
    """
    strips = [Filmstrip(f"query: {query.label}", "query", _drawn(query, f"Frames of the query, {query.label}"))]
    for rank, video in enumerate(nearest, 1):
        right = video.label == query.label
        words = f"{'✓' if right else '✗'} {rank}. {video.label} (cosine {video.similarity:.3f})"
        alt = f"Frames of {video.label}, {'of the same class' if right else 'of another class'}"
        strips.append(Filmstrip(words, "right" if right else "wrong", _drawn(video, alt)))
    return strips


def _drawn(video: ExampleVideo, alt: str) -> Picture:
    gap = np.full_like(video.frames[0][:, :GAP], 255)
    parts = [part for frame in video.frames for part in (frame, gap)][:-1]
    return replace(image_as_picture(Image.fromarray(np.concatenate(parts, axis=1)), alt), width=WIDTH)
