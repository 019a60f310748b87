"""Figures and image files embedded in a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

__all__ = ["Picture", "as_picture", "file_as_picture", "image_as_picture"]

DOTS_PER_INCH = 144

MEDIA_TYPES = {".png": "image/png", ".gif": "image/gif", ".jpg": "image/jpeg", ".webp": "image/webp"}


@dataclass(frozen=True)
class Picture:
    """A picture with its texts.

    Args:
        uri: data URI of the image.
        alt: alternative text.
        caption: text below the picture.
        width: width in CSS pixels; None for the image's own width.
        drawn: whether the picture is dark ink on a transparent ground, which a dark page inverts. Photographs must not
            be inverted.
    """

    uri: str
    alt: str
    caption: str = ""
    width: int | None = None
    drawn: bool = False


def as_picture(figure: Figure, alt: str) -> Picture:
    """Draw a figure on a transparent ground.

    Args:
        figure: the figure to draw.
        alt: alternative text of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(DOTS_PER_INCH)
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set(facecolor="none", edgecolor="none")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # savefig would compute the layout twice
    uri = _image_uri(Image.fromarray(np.asarray(canvas.buffer_rgba())), "png")
    return Picture(uri, alt, width=round(96 * figure.get_figwidth()), drawn=True)


def file_as_picture(file: Path, alt: str, caption: str = "") -> Picture:
    """Embed an image file unchanged.

    Raises:
        ValueError: the suffix is not that of an image that browsers show.
    """
    if file.suffix.lower() not in MEDIA_TYPES:
        raise ValueError(f"{file} is not an image; give files that end in {', '.join(MEDIA_TYPES)}")
    return Picture(_data_uri(MEDIA_TYPES[file.suffix.lower()], file.read_bytes()), alt, caption)


def image_as_picture(image: Image.Image, alt: str, caption: str = "") -> Picture:
    """Compress an image that holds photographs, with a small loss, to about a tenth of the bytes."""
    return Picture(_image_uri(image, "webp", quality=80), alt, caption)


def _image_uri(image: Image.Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return _data_uri(f"image/{kind}", buffer.getvalue())


def _data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
