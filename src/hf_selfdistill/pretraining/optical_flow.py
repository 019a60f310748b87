"""Small and quantised dense optical flow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hf_selfdistill.training.arguments import check_choice

__all__ = ["FLOW_METHODS", "FLOW_SIZE", "dense_flow", "flow_algorithm"]

FLOW_METHODS = ("dis", "tvl1")

FLOW_SIZE = (128, 171)
"""Height and width of flow in pixels, for every video and model: frames are resized to it."""

_LEVELS_PER_PIXEL = 255 / 40  # as in the released code
# In the released code zero lies between the levels 127 and 128: a still background flickers and gets boundaries.
_ZERO = 128


def dense_flow(frames: Tensor, following: Tensor, method: str = "dis") -> Tensor:
    """Return the flow from each frame to the frame that follows it.

    Args:
        frames: `(T, 3, H, W)` uint8.
        following: the following frames `(T, 3, H, W)` uint8.
        method: `"dis"` is dense inverse search with its medium preset: 2.4 ms per frame, measured on phone clips with
            one core. `"tvl1"` is the released code's, with OpenCV's defaults: 212 ms.

    Returns:
        `(T, 2, *FLOW_SIZE)` uint8, u to the right and v downwards: `(value − 128) · 40/255` pixels per frame, clipped.
    """
    algorithm = flow_algorithm(method)
    pairs = zip(_small_and_grey(frames), _small_and_grey(following), strict=True)
    flow = np.stack([algorithm.calc(frame, next_frame, None) for frame, next_frame in pairs])  # (T, h, w, 2)
    levels = (np.rint(flow * _LEVELS_PER_PIXEL) + _ZERO).clip(0, 255)
    return torch.from_numpy(levels.astype(np.uint8)).permute(0, 3, 1, 2)


@cache
def flow_algorithm(method: str) -> Any:
    """Return OpenCV's implementation of a method, one per process.

    Raises:
        ValueError: the method is unknown, or OpenCV or its contrib modules are missing.
    """
    check_choice("flow", method, FLOW_METHODS)
    try:
        import cv2

        # OpenCV's threads do not survive a fork; a data worker would wait for them forever.
        cv2.setNumThreads(1)
        if method == "dis":
            return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        from cv2 import optflow

        return optflow.DualTVL1OpticalFlow_create()
    except ImportError as error:
        raise ValueError(
            f"`flow` is {method!r}, which needs OpenCV with its contrib modules; install them with "
            'pip install "hf_selfdistill[flow]"'
        ) from error


def _small_and_grey(frames: Tensor) -> Iterator[np.ndarray]:
    import cv2

    size = FLOW_SIZE[::-1]
    for frame in frames.permute(0, 2, 3, 1).contiguous().numpy():
        yield cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
