from __future__ import annotations

import numpy as np
import pytest

from hf_selfdistill.pretraining.blocks import NUM_BLOCKS, block_patterns, check_side


def picture(blocks: tuple[np.ndarray, ...], side: int) -> list[str]:
    """The frame with each pixel's block number; pixels of several blocks are a dot."""
    numbers = np.zeros(side * side, int)
    for number, pixels in enumerate(blocks, start=1):
        numbers[pixels] = np.where(numbers[pixels] == 0, number, -1)
    signs = ["." if number < 0 else format(number, "x") for number in numbers]
    return ["".join(signs[row * side : (row + 1) * side]) for row in range(side)]


def test_blocks_of_a_small_frame_are_the_pictures_of_the_paper():
    grid, rings, triangles = block_patterns(8)
    assert picture(grid[:15], 8)[::2] == ["11223344", "55667788", "99aabbcc", "ddeeff00"]
    assert picture(rings, 8) == [
        "44444444",
        "43333334",
        "43222234",
        "43211234",
        "43211234",
        "43222234",
        "43333334",
        "44444444",
    ]
    assert picture(triangles, 8) == [
        ".222333.",
        "1.2233.4",
        "11.23.44",
        "111..444",
        "555..888",
        "55.67.88",
        "5.6677.8",
        ".666777.",
    ]


def test_sizes_at_the_released_side_are_the_released_ones():
    grid, rings, triangles = block_patterns(112)
    assert {len(pixels) for pixels in grid} == {28 * 28}
    assert [len(pixels) for pixels in rings] == [28**2, 56**2 - 28**2, 84**2 - 56**2, 112**2 - 84**2]
    assert {len(pixels) for pixels in triangles} == {1596}


@pytest.mark.parametrize("side", [8, 16, 24, 48, 112, 224])
def test_each_pattern_covers_the_frame(side):
    patterns = block_patterns(side)
    assert tuple(len(blocks) for blocks in patterns) == NUM_BLOCKS
    for blocks, shared in zip(patterns, (0, 0, 2 * side), strict=True):  # triangles share their diagonals
        pixels = np.concatenate(blocks)
        assert len(pixels) == side * side + shared
        assert len(np.unique(pixels)) == side * side


@pytest.mark.parametrize("size", [(20, 20), (16, 24), (12, 8)])
def test_frames_that_cannot_be_divided_are_refused(size):
    with pytest.raises(ValueError, match=rf"{size[0]}×{size[1]} pixels .* multiple of 8; change the model's"):
        check_side(*size)
