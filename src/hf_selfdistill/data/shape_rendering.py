"""Rendering of moving shapes, for the data set of `moving_shapes`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

__all__ = ["FINETUNING_MOTIONS", "MOTIONS", "OPPOSITES", "PRETRAINING_MOTIONS", "ShapeLook", "render_moving_shape"]

_DIAGONAL = 0.5**0.5
_DIRECTIONS = {  # (x, y) per unit of speed, y pointing down
    "moving_left": (-1.0, 0.0),
    "moving_right": (1.0, 0.0),
    "moving_up": (0.0, -1.0),
    "moving_down": (0.0, 1.0),
    "moving_up_left": (-_DIAGONAL, -_DIAGONAL),
    "moving_down_right": (_DIAGONAL, _DIAGONAL),
    "moving_up_right": (_DIAGONAL, -_DIAGONAL),
    "moving_down_left": (-_DIAGONAL, _DIAGONAL),
}
_TURNS = {"turning_clockwise": 1, "turning_counterclockwise": -1}
_ORBITS = {"circling_clockwise": 1, "circling_counterclockwise": -1}
_ZOOMS = {"growing": 1, "shrinking": -1}

PRETRAINING_MOTIONS = tuple(_DIRECTIONS)
"""Translations in eight directions."""
FINETUNING_MOTIONS = (*_TURNS, *_ORBITS, *_ZOOMS)
"""Rotation on the spot, circling without rotation, and zoom; none is among `PRETRAINING_MOTIONS`."""
MOTIONS = PRETRAINING_MOTIONS + FINETUNING_MOTIONS
"""All classes; the neighbours at indices 2k and 2k + 1 are each other's reversal in time."""
OPPOSITES = {motion: MOTIONS[index ^ 1] for index, motion in enumerate(MOTIONS)}
"""Maps each motion to its reversal in time."""

_RADII = (0.18, 0.42)  # smallest and largest shape, as shares of the frame's side


@dataclass(frozen=True)
class ShapeLook:
    """Look of a video, independent of the motion; all values are in 0 … 1.

    Attributes:
        mask: mask of the shape within the unit circle, `(1, 1, M, M)`.
        colour: colour of the shape, `(3, 1, 1)`.
        background: image behind the shape, `(3, H, W)`, H = W.
    """

    mask: torch.Tensor
    colour: torch.Tensor
    background: torch.Tensor

    @classmethod
    def draw(cls, rng: np.random.Generator, size: int) -> ShapeLook:
        """Draw a bright shape and a dark, textured background of `size` pixels a side."""
        colour = torch.from_numpy(rng.uniform(0.65, 1, (3, 1, 1)))
        background = torch.from_numpy(rng.uniform(0.1, 0.45, (3, 1, 1)))
        for cells, amplitude in ((4, 0.12), (16, 0.08)):
            noise = torch.from_numpy(rng.uniform(-1, 1, (1, 3, cells, cells)))
            background = background + amplitude * F.interpolate(noise, (size, size), mode="bicubic")[0]
        return cls(_draw_mask(rng).float(), colour.float(), background.clamp(0, 1).float())


def render_moving_shape(motion: str, look: ShapeLook, num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Render the frames of one video: `(T, H, W, 3)` uint8.

    With equal draws, opposite motions give the same frames in opposite order.

    Args:
        motion: one of `MOTIONS`.
        look: shape and background.
        num_frames: number of frames, T.
        rng: generator of the position, size, angle and speed of the shape.
    """
    return _render(look, *_draw_path(motion, num_frames, rng))


def _draw_mask(rng: np.random.Generator, side: int = 64, corners: int = 8) -> torch.Tensor:
    """Draw a random polygon `(1, 1, M, M)` with two neighbouring corners far out, so that its direction is visible.

    The centre of mass is in the middle, so that rotation does not shift the shape. The shape touches the unit circle.
    """
    radii = np.concatenate([rng.uniform(0.9, 1, 2), rng.uniform(0.2, 0.42, corners - 2)])
    angles = 2 * np.pi * (np.arange(corners) - 0.5 + rng.uniform(-0.2, 0.2, corners)) / corners
    polygon = radii * np.exp(1j * angles)  # x + iy
    after = np.roll(polygon, -1)
    areas = (polygon.conj() * after).imag  # of the triangles to the origin, doubled
    polygon -= ((polygon + after) * areas).sum() / (3 * areas.sum())
    polygon /= np.abs(polygon).max()
    x, y = polygon.real, polygon.imag
    axis = (np.arange(4 * side) + 0.5) / (2 * side) - 1  # four samples per cell and axis
    grid_x, grid_y = np.meshgrid(axis, axis)
    inside = np.zeros_like(grid_x, dtype=bool)
    for x0, y0, x1, y1 in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
        crosses = (y0 > grid_y) != (y1 > grid_y)  # the edge spans this row; it counts for the points left of it
        inside ^= crosses & (grid_x < x0 + (grid_y - y0) * (x1 - x0) / (y1 - y0))
    return F.avg_pool2d(torch.from_numpy(inside[None, None].astype(np.float64)), 4)


def _draw_path(motion: str, num_frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw centres `(T, 2)` and radii `(T,)` as shares of the side, and angles `(T,)` in radians.

    Time zero is the middle of the video, so that the opposite motion is the reversal. All motions draw the same
    numbers in the same order. Positions wrap around the borders and sizes around their range. So both have the same
    distribution in every frame.
    """
    time = np.arange(num_frames) - (num_frames - 1) / 2
    centre, zoom = rng.uniform(0, 1, 2), rng.uniform()
    angle, orbit = rng.uniform(0, 2 * np.pi, 2)
    speed = rng.uniform(1 / 24, 1 / 12)  # sides per frame
    turn = 2 * np.pi / rng.uniform(12, 24)  # radians per frame
    zoom_rate = 1 / rng.uniform(8, 12)  # ranges per frame
    orbit_radius = rng.uniform(0.16, 0.24)  # sides
    centres = np.broadcast_to(centre, (num_frames, 2))
    if motion in _DIRECTIONS:
        centres = centre + speed * time[:, None] * _DIRECTIONS[motion]
    if motion in _ORBITS:
        along = orbit + _ORBITS[motion] * turn * time
        centres = centre + orbit_radius * np.stack([np.cos(along), np.sin(along)], axis=1)
    angles = angle + _TURNS.get(motion, 0) * turn * time
    phases = (zoom + _ZOOMS.get(motion, 0) * zoom_rate * time) % 1
    return centres, _RADII[0] * (_RADII[1] / _RADII[0]) ** phases, angles


def _render(look: ShapeLook, centres: np.ndarray, radii: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Draw the shape along its path: `(T, H, W, 3)` uint8."""
    size = look.background.shape[-1]
    axis = (np.arange(size) + 0.5) / size
    x = axis[None, None, :] - centres[:, 0, None, None]  # (T, 1, W)
    y = axis[None, :, None] - centres[:, 1, None, None]  # (T, H, 1)
    x, y = x - np.round(x), y - np.round(y)  # the shorter way around the border
    cos, sin = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    grid = np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1) / radii[:, None, None, None]
    mask = F.grid_sample(look.mask.expand(len(grid), -1, -1, -1), torch.from_numpy(grid).float(), align_corners=False)
    frames = look.background + mask * (look.colour - look.background)  # (T, 3, H, W)
    return (frames * 255).round().byte().permute(0, 2, 3, 1).numpy()
