from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hf_selfdistill.pretraining.appearance_labels import appearance_labels

OCTANTS = {  # of the RGB cube, by whether red, green, blue are high
    (0, 0, 1): 1,
    (0, 1, 1): 2,
    (1, 0, 1): 3,
    (1, 1, 1): 4,
    (0, 0, 0): 5,
    (0, 1, 0): 6,
    (1, 0, 0): 7,
    (1, 1, 0): 8,
}


def plain(side: int = 16, colour: tuple[int, int, int] = (10, 20, 30), frames: int = 16) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (frames, 3, side, side)).copy()


def paint(clip: np.ndarray, where: tuple[slice, slice], colour: tuple[int, int, int], frames=slice(None)) -> None:
    clip[frames, :, where[0], where[1]] = np.array(colour, np.uint8)[:, None, None]


def masks_of(side: int) -> list[list[np.ndarray]]:
    """Blocks as masks of the frame, built from coordinates."""
    y, x = np.mgrid[:side, :side]
    grid = [(y * 4 // side == row) & (x * 4 // side == column) for row in range(4) for column in range(4)]
    ring = np.minimum.reduce([y, x, side - 1 - y, side - 1 - x]) * 8 // side
    half = side // 2
    i, j, top, left = y % half, x % half, y < half, x < half
    main, mirrored = j - i, i + j - (half - 1)
    triangles = [
        top & left & (main <= 0),
        top & left & (main >= 0),
        top & ~left & (mirrored <= 0),
        top & ~left & (mirrored >= 0),
        ~top & left & (mirrored <= 0),
        ~top & left & (mirrored >= 0),
        ~top & ~left & (main <= 0),
        ~top & ~left & (main >= 0),
    ]
    return [grid, [ring == number for number in (3, 2, 1, 0)], triangles]


def by_loops(clip: np.ndarray) -> list[int]:
    """The labels by counting pixel by pixel."""

    def dominant(mask):
        counts = Counter(tuple(int(v) for v in pixel) for frame in clip for pixel in frame[:, mask].T)
        most = max(counts.values())
        colour = min((c for c in counts if counts[c] == most), key=lambda c: c[::-1])
        return OCTANTS[tuple(int(value >= 128) for value in colour)]

    def likeness(mask):
        ious = []
        for channel in range(3):
            counts = [Counter(frame[channel][mask].tolist()) for frame in clip]
            common = sum(min(count[level] for count in counts) for level in range(256))
            all_of_them = sum(max(count[level] for count in counts) for level in range(256))
            ious.append(common / all_of_them)
        return sum(ious) / 3

    labels = []
    for masks in masks_of(clip.shape[-1]):
        ious = [likeness(mask) for mask in masks]
        for block in (int(np.argmin(ious)), int(np.argmax(ious))):
            labels += [block + 1, dominant(masks[block])]
    return [*labels, dominant(np.ones(clip.shape[2:], bool))]


@pytest.mark.parametrize(("side", "frames", "levels"), [(16, 4, 256), (24, 3, 5), (8, 5, 3)])
def test_labels_equal_those_of_slow_loops(side, frames, levels):
    rng = np.random.default_rng(side)
    for _ in range(4):
        clip = (rng.integers(0, levels, (frames, 3, side, side)) * (255 // (levels - 1))).astype(np.uint8)
        assert appearance_labels(clip).tolist() == by_loops(clip)


def test_a_flickering_block_is_the_most_diverse_and_its_most_frequent_colour_dominates():
    clip = plain(colour=(10, 200, 30))  # green, octant 6
    spot = (slice(4, 6), slice(9, 11))  # grid block 7, ring 2, triangle 3
    paint(clip, spot, (200, 10, 20))
    for frame in range(10):  # ten of sixteen frames in other reds, no two alike
        paint(clip, spot, (255 - frame, 0, 0), frame)
    where = (slice(4, 8), slice(8, 12))  # the rest of the grid's block, still, in as many colours as pixels
    rest = clip[0, :, where[0], where[1]].copy()
    rest[2] = np.arange(16).reshape(4, 4) * 16
    still = np.ones((4, 4), bool)
    still[0:2, 1:3] = False
    clip[:, :, where[0], where[1]] = np.where(still, rest, clip[:, :, where[0], where[1]])
    labels = appearance_labels(clip)
    assert labels[[0, 4, 8]].tolist() == [7, 2, 3]
    assert labels[1] == 7  # red: 24 pixels of (200, 10, 20), no other colour more than 16
    assert labels[[2, 3]].tolist() == [1, 6]
    assert labels[12] == 6


def test_the_still_block_in_a_flickering_clip_is_the_most_consistent():
    clip = np.random.default_rng(0).integers(0, 256, (16, 3, 32, 32), dtype=np.uint8)
    paint(
        clip, (slice(16, 24), slice(24, 32)), (255, 255, 0)
    )  # grid block 12; touches rings and triangles only in part
    labels = appearance_labels(clip)
    assert labels[[2, 3]].tolist() == [12, 8]
    ring = plain(32)
    ring[:] = np.random.default_rng(1).integers(0, 256, ring.shape, dtype=np.uint8)
    paint(ring, (slice(12, 20), slice(12, 20)), (0, 0, 255))  # the innermost one
    assert appearance_labels(ring)[[6, 7]].tolist() == [1, 1]


@pytest.mark.parametrize(("high", "label"), OCTANTS.items())
@pytest.mark.parametrize(("low_value", "high_value"), [(0, 255), (127, 128)])
def test_the_octants_of_the_rgb_cube_have_the_released_numbers(high, label, low_value, high_value):
    clip = plain(colour=tuple(high_value if bit else low_value for bit in high))
    labels = appearance_labels(clip)
    assert labels.tolist() == [1, label, 1, label] * 3 + [label]


def test_the_most_frequent_exact_colour_dominates_not_the_most_frequent_octant():
    clip = plain(colour=(200, 200, 200))
    clip[:, :, :, :10] = 0
    clip[:, 0, :, :10] = np.arange(16)[None, :, None]  # ten of sixteen columns are dark, in sixteen different reds
    assert appearance_labels(clip)[12] == 4


def test_the_colour_of_the_second_ring_counts_its_lowest_strip():
    rng = np.random.default_rng(0)
    clip = plain()
    ring = masks_of(16)[1][1]
    clip[:, :, ring] = rng.integers(0, 100, (16, 3, ring.sum()), dtype=np.uint8)  # dark, ever another
    paint(clip, (slice(10, 12), slice(4, 12)), (255, 255, 255))
    assert appearance_labels(clip)[[4, 5]].tolist() == [2, 4]
