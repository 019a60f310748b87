"""Figures and files as pictures inside a page."""

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

__all__ = ["DARK_PAGE", "MEDIA_TYPES", "Picture", "as_picture", "file_as_picture", "image_as_picture"]

DARK_PAGE = "#14171a"
"""What figures are drawn for in the dark: the page's background there."""

DOTS_PER_INCH = 144

_LIGHT_INK, _DARK_INK = "#1c1e21", "#e4e6e8"

MEDIA_TYPES = {".png": "image/png", ".gif": "image/gif", ".jpg": "image/jpeg", ".webp": "image/webp"}


@dataclass(frozen=True)
class Picture:
    """A picture with what is said of it.

    Args:
        light: data URI, for a light page.
        dark: data URI, for a dark page.
        alt: what is to be seen, for those who do not see it.
        caption: below the picture.
        width: of the page's pixels; None for the picture's own.
    """

    light: str
    dark: str
    alt: str
    caption: str = ""
    width: int | None = None


def as_picture(figure: Figure, alt: str) -> Picture:
    """Draws a figure twice, in dark ink and in light ink, on no ground. The figure's ink is changed.

    Args:
        figure: what is drawn.
        alt: what is to be seen.
    """
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)  # once for both
    figure.set_layout_engine("none")
    figure.set_dpi(DOTS_PER_INCH)
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set(facecolor="none", edgecolor="none")
    light, dark = (_drawn(figure, ink) for ink in (_LIGHT_INK, _DARK_INK))
    return Picture(light, dark, alt, width=round(96 * figure.get_figwidth()))


def file_as_picture(file: Path, alt: str, caption: str = "") -> Picture:
    """A picture file as it is.

    Raises:
        ValueError: its suffix is of no picture that browsers show.
    """
    if file.suffix.lower() not in MEDIA_TYPES:
        raise ValueError(f"{file} is no picture; give files that end in {', '.join(MEDIA_TYPES)}")
    uri = _data_uri(MEDIA_TYPES[file.suffix.lower()], file.read_bytes())
    return Picture(uri, uri, alt, caption)


def image_as_picture(image: Image.Image, alt: str, caption: str = "") -> Picture:
    """A picture with photographs in it, kept in a tenth of the bytes with a little loss."""
    buffer = io.BytesIO()
    image.save(buffer, format="webp", quality=80)
    uri = _data_uri("image/webp", buffer.getvalue())
    return Picture(uri, uri, alt, caption)


def _drawn(figure: Figure, ink: str) -> str:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    _set_ink(figure, ink)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # savefig would lay it out once more
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).save(buffer, format="png")
    return _data_uri("image/png", buffer.getvalue())


def _set_ink(figure: Figure, ink: str) -> None:
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if text.get_gid() != "on colour":
            text.set_color(ink)
    for axes in figure.axes:
        axes.tick_params(colors=ink)
        for spine in axes.spines.values():
            spine.set_edgecolor(ink)


def _data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
