"""Appearance labels of a clip: thirteen numbers for the places where colours change most and least."""

from __future__ import annotations

from functools import cache

import numpy as np

from hf_selfdistill.pretraining.blocks import NUM_BLOCKS, block_patterns

__all__ = ["NUM_APPEARANCE_LABELS", "appearance_labels"]

NUM_APPEARANCE_LABELS = 13

_OCTANTS = (5, 1, 6, 2, 7, 3, 8, 4)  # label of an octant of the RGB cube, by three bits: red, green, blue ≥ 128
_LEVELS = 256


def appearance_labels(clip: np.ndarray) -> np.ndarray:
    """Return the labels of a clip's colours, counted from 1 as in STS's released code.

    The change of a block is measured by the intersection over union of its frames' histograms, averaged over the
    channels. For each of the three patterns (see `block_patterns`) the labels are the block that changes most, its
    dominant colour, the block that changes least, and its dominant colour. The last label is the clip's dominant
    colour. A dominant colour is the octant of the RGB cube that contains the most frequent exact colour.

    One bug of the released code is not repeated: in the second ring it removes the lowest strip of pixels along the
    wrong axis, the frames.

    Args:
        clip: `(T, 3, S, S)` uint8, RGB.

    Returns:
        `(13,)` int64.
    """
    pixels = clip.reshape(*clip.shape[:2], -1)  # (T, 3, S·S)
    ious = np.split(_intersections_over_unions(pixels), np.cumsum(NUM_BLOCKS)[:-1])
    colours = _bgr(pixels)
    labels = []
    for iou, blocks in zip(ious, block_patterns(clip.shape[-1]), strict=True):
        for block in (iou.argmin(), iou.argmax()):
            labels += [block + 1, _dominant_colour(colours[:, blocks[block]])]
    return np.array([*labels, _dominant_colour(colours)])


def _intersections_over_unions(pixels: np.ndarray) -> np.ndarray:
    """Return a value for each block of the three patterns, concatenated: `(28,)`."""
    order, bins = _bins_of_blocks(round(pixels.shape[-1] ** 0.5))
    count = 3 * sum(NUM_BLOCKS) * _LEVELS
    least, most = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    for frame in pixels:  # frame by frame: the histograms of one frame fit into a processor's cache
        histograms = np.bincount((frame[:, order] + bins).ravel(), minlength=count)
        np.minimum(least, histograms, out=least)
        np.maximum(most, histograms, out=most)
    shape = (3, -1, _LEVELS)
    return (least.reshape(shape).sum(2) / most.reshape(shape).sum(2)).mean(0)


@cache
def _bins_of_blocks(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the concatenated pixels of all blocks, and the first bin of each pixel's histograms `(3, pixels)`."""
    blocks = [pixels for pattern in block_patterns(side) for pixels in pattern]
    numbers = np.repeat(np.arange(len(blocks)), [len(pixels) for pixels in blocks])
    return np.concatenate(blocks), (np.arange(3)[:, None] * len(blocks) + numbers) * _LEVELS


def _bgr(pixels: np.ndarray) -> np.ndarray:
    """Return colours as BGR numbers `(T, S·S)`; the smaller of two equally frequent ones dominates, as released."""
    red, green, blue = pixels.astype(np.int32).transpose(1, 0, 2)
    return blue << 16 | green << 8 | red


def _dominant_colour(colours: np.ndarray) -> int:
    values = np.sort(colours, axis=None)
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    bgr = int(values[starts[np.diff(starts, append=len(values)).argmax()]])
    return _OCTANTS[(bgr >> 7 & 1) << 2 | (bgr >> 15 & 1) << 1 | bgr >> 23]
