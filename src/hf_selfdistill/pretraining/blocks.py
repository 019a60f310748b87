"""Blocks of a square frame: a grid, rings and triangles."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

__all__ = ["NUM_BLOCKS", "block_patterns", "check_side"]

NUM_BLOCKS = (16, 4, 8)
"""Number of blocks in each of the three patterns."""

# Row and column of each quarter of the frame in the order of labels, whether it is mirrored, so that its diagonal runs
# through the centre of the frame, and whether the triangle below the diagonal comes first.
_QUARTERS = ((0, 0, False, True), (0, 1, True, False), (1, 0, True, False), (1, 1, False, True))


def check_side(height: int, width: int) -> int:
    """Return the side of frames that can be divided into blocks.

    Raises:
        ValueError: the frames are not square, or their side is not a multiple of 8.
    """
    if height != width or height % 8:
        raise ValueError(
            f"frames of {height}×{width} pixels can't be divided into blocks; height and width must be the same "
            "multiple of 8; change the model's `image_size`"
        )
    return height


@cache
def block_patterns(side: int) -> tuple[tuple[np.ndarray, ...], ...]:
    """Return the pixels of each block, as positions in the flattened frame of `side` × `side` pixels.

    Sizes are fractions of the side, which is 112 pixels in the released code:

    1. a grid of 4×4 blocks, row by row;
    2. four square rings, `side/8` wide, from the centre outwards; the innermost is a square, `side/4` wide;
    3. eight triangles, two per quarter of the frame. Both include the diagonal that they share. Upper left: below and
       above the diagonal; upper right: above and below; lower left: above and below; lower right: below and above.
    """
    pixels = np.arange(check_side(side, side) ** 2).reshape(side, side)
    return _grid(pixels), _rings(pixels), _triangles(pixels)


def _grid(pixels: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(block.ravel() for row in np.split(pixels, 4) for block in np.split(row, 4, axis=1))


def _rings(pixels: np.ndarray) -> tuple[np.ndarray, ...]:
    side = len(pixels)
    squares = [pixels[edge : side - edge, edge : side - edge].ravel() for edge in np.arange(3, -1, -1) * side // 8]
    return squares[0], *(np.setdiff1d(outer, inner) for inner, outer in pairwise(squares))


def _triangles(pixels: np.ndarray) -> tuple[np.ndarray, ...]:
    half = len(pixels) // 2
    triangles = []
    for row, column, mirrored, lower_first in _QUARTERS:
        quarter = pixels[row * half :, column * half :][:half, :half]
        quarter = quarter[:, ::-1] if mirrored else quarter
        pair = [quarter[np.tril_indices(half)], quarter[np.triu_indices(half)]]
        triangles += pair if lower_first else pair[::-1]
    return tuple(triangles)
