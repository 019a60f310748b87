"""Filmstrips of queries and of the videos nearest to them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.reporting.pictures import Picture, image_as_picture

__all__ = ["Filmstrip", "retrieval_examples"]

logger = logging.getLogger(__name__)

EXAMPLES, NEAREST = 6, 3
FRAMES, SIDE = 4, 96  # frames of a video, and the pixels of their shorter side
GAP, WIDTH = 2, 384  # white pixels between two frames, and the width of a filmstrip on the page


@dataclass(frozen=True)
class Filmstrip:
    """Frames of a video, side by side.

    Args:
        title: text above the filmstrip.
        kind: `query`; for a neighbour `right` (of the query's class) or `wrong`.
        picture: the frames.
    """

    title: str
    kind: str
    picture: Picture


def retrieval_examples(neighbours: Sequence[Mapping[str, Any]], videos: Path) -> list[list[Filmstrip]]:
    """Return filmstrips of evenly spaced queries, each followed by its nearest videos.

    An example with an unreadable video is left out, with a warning.

    Args:
        neighbours: `video`, `label` and `nearest` of each query, as a test of retrieval records them.
        videos: folder that the names of the videos are relative to.
    """
    places = np.linspace(0, len(neighbours) - 1, min(EXAMPLES, len(neighbours))).round().astype(int)
    queries = [neighbours[place] for place in places]
    examples = []
    for query in tqdm(queries, desc="retrieval examples", leave=False, disable=not queries):
        try:
            examples.append(_filmstrips(query, videos))
        except VideoDecodingError as error:
            logger.warning("A retrieval example is left out: %s", error)
    return examples


def _filmstrips(query: Mapping[str, Any], videos: Path) -> list[Filmstrip]:
    label = query["label"]
    strips = [
        Filmstrip(f"query: {label}", "query", _frames_of(videos / query["video"], f"Frames of the query, {label}"))
    ]
    for rank, video in enumerate(query["nearest"][:NEAREST], 1):
        right = video["label"] == label
        title = f"{'✓' if right else '✗'} {rank}. {video['label']} (cosine {video['cosine']:.3f})"
        alt = f"Frames of {video['label']}, {'the same class' if right else 'another class'}"
        strips.append(Filmstrip(title, "right" if right else "wrong", _frames_of(videos / video["video"], alt)))
    return strips


def _frames_of(video: Path, alt: str) -> Picture:
    with VideoReader(video) as reader:
        last = reader.num_frames - 1
        frames = reader.read([round(last * (number + 0.5) / FRAMES) for number in range(FRAMES)])  # (T, C, H, W)
    step = max(1, min(frames.shape[2:]) // SIDE)
    shown = frames[:, :, ::step, ::step].permute(0, 2, 3, 1).numpy()
    gap = np.full_like(shown[0][:, :GAP], 255)
    parts = [part for frame in shown for part in (frame, gap)][:-1]
    return replace(image_as_picture(Image.fromarray(np.concatenate(parts, axis=1)), alt), width=WIDTH)
