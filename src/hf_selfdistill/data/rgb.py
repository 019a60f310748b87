"""RGB images, upright, from decoded frames."""

from __future__ import annotations

import struct

import av
import numpy as np
from av.buffer import Buffer
from av.video.reformatter import VideoReformatter

__all__ = ["RgbConverter"]

# FFmpeg's AVCOL_SPC_BT2020_NCL and AVCOL_SPC_BT2020_CL. FFmpeg can't convert the second, but phones put this tag on
# videos that are coded as the first.
_BT2020, _BT2020_CONSTANT_LUMINANCE = 9, 10


class RgbConverter:
    """Converts the frames of one video to images (H, W, 3), turned as they are to be displayed."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._display_matrices: dict[int, bytes | None] = {}  # by rotation

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Convert a frame; the image is a view of FFmpeg's memory.

        Raises:
            ValueError: FFmpeg can't convert its pixels.
        """
        if frame.colorspace == _BT2020_CONSTANT_LUMINANCE:
            frame.colorspace = _BT2020
        try:
            rgb = self._reformatter.reformat(frame, format="rgb24", threads=1)
        except av.FFmpegError:
            pixels = f"{frame.format.name} in colour space {frame.colorspace}"
            raise ValueError(f"its pixels ({pixels}) can't be converted to RGB") from None
        plane = rgb.planes[0]
        image = np.ndarray((rgb.height, rgb.width, 3), np.uint8, memoryview(plane), strides=(plane.line_size, 3, 1))
        rotation = frame.rotation
        if rotation not in self._display_matrices:  # seldom: a frame and its side data refer to each other and stay
            display_matrix = frame.side_data.get("DISPLAYMATRIX")
            found = bytes(display_matrix) if isinstance(display_matrix, Buffer) else None
            self._display_matrices[rotation] = found
        found = self._display_matrices[rotation]
        return image if found is None else _upright(image, found)


def _upright(image: np.ndarray, display_matrix: bytes) -> np.ndarray:
    """Rotate and mirror an image (H, W, C) by FFmpeg's 3x3 matrix, x' = xx·x + yx·y and y' = xy·x + yy·y."""
    xx, xy, _, yx, yy = struct.unpack_from("=5i", display_matrix)
    if abs(xy) > abs(xx):
        image, xx, yy = image.swapaxes(0, 1), yx, xy
    return image[:: -1 if yy < 0 else 1, :: -1 if xx < 0 else 1]
