"""Motion labels of a clip: fourteen numbers for the place and orientation of the most motion."""

from __future__ import annotations

import numpy as np

from hf_selfdistill.pretraining.blocks import block_patterns

__all__ = ["NUM_MOTION_LABELS", "motion_labels"]

NUM_MOTION_LABELS = 14
ORIENTATIONS = 8


def motion_labels(flow: np.ndarray) -> np.ndarray:
    """Return the labels of a clip's motion, counted from 1 as in STS's released code.

    Motion boundaries, the gradients of the flow, cancel the motion of the camera, which is the same everywhere. They
    are summed over the frames. For each of the three patterns (see `block_patterns`) and for u and v, the labels are
    the block with the largest mean magnitude and its dominant orientation. The last two labels are the frames with the
    most motion of u and of v. The clip's last frame is not a candidate, because MAS had no flow for it.

    A flow without boundaries gives block 0 and orientation 0 in the grid, and 1 everywhere else.

    Args:
        flow: `(T, 2, S, S)` with T ≥ 2, u to the right and v downwards. Unit and zero do not matter, so the flow can
            be quantised.

    Returns:
        `(14,)` int64: block and orientation of u and of v in the grid, the rings and the triangles; frames of u and v.
    """
    side = flow.shape[-1]
    dx, dy = _gradients(flow.astype(np.float32))  # (T, 2, S, S) each
    totals = np.sqrt(dx * dx + dy * dy).sum((2, 3), dtype=np.float64)  # (T, 2)
    dx, dy = dx.sum(0).reshape(2, -1), dy.sum(0).reshape(2, -1)
    magnitude = np.hypot(dx, dy)  # (2, S·S)
    angle = np.arctan2(dy, dx) / (2 * np.pi) * ORIENTATIONS  # in bins
    labels = [
        _most_motion(m, a, blocks) for blocks in block_patterns(side) for m, a in zip(magnitude, angle, strict=True)
    ]
    for component, still in enumerate(~magnitude.any(1)):
        if still:
            labels[component] = (0, 0)
    return np.array([*np.ravel(labels), *(totals[:-1].argmax(0) + 1)])


def _gradients(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convolve with Prewitt's kernels; a border of one reflected pixel equals the repeated edge.

    A true convolution mirrors its kernel, so the gradients point to where the flow is smaller.
    """
    padded = np.pad(flow, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    return rows[..., :-2] - rows[..., 2:], columns[..., :-2, :] - columns[..., 2:, :]


def _most_motion(magnitude: np.ndarray, angle: np.ndarray, blocks: tuple[np.ndarray, ...]) -> tuple[int, int]:
    """Return the block with the largest mean magnitude of one component, and its dominant orientation."""
    # The blocks of the grid and of the triangles have equal sizes, so means rank them as the released code's sums do.
    block = int(np.argmax([magnitude[pixels].mean(dtype=np.float64) for pixels in blocks]))
    magnitude, angle = magnitude[blocks[block]], angle[blocks[block]]
    lower = np.floor(angle)
    upper_share = angle - lower  # each pixel votes for the two bins beside its angle
    lower = lower.astype(int) % ORIENTATIONS
    votes = np.bincount(lower, magnitude * (1 - upper_share), ORIENTATIONS)
    votes += np.bincount((lower + 1) % ORIENTATIONS, magnitude * upper_share, ORIENTATIONS)
    return block + 1, int(votes.argmax()) + 1
