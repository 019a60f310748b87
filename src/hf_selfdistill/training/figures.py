"""Base of all figures: a separate canvas, and colours that are distinguishable with colour blindness."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from hf_selfdistill.data.whole_files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "GREY", "MARKERS", "look", "new_figure", "save_figure"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of Okabe and Ito without black and yellow, visible on white and on black."""

MARKERS = ("o", "s", "^", "D", "v", "P")
"""One marker for each colour, so that no difference depends on colour alone."""

GREY = "#808080"

_LINES = ("-", "--", ":", "-.")


def look(number: int) -> dict[str, str]:
    """Return colour, marker and line of the series with this number; the first 72 combinations are distinct.

    The first 36 differ in colour or marker, also in plots without lines.
    """
    turn = number // 6
    return {"color": COLOURS[number % 6], "marker": MARKERS[(number + turn) % 6], "linestyle": _LINES[turn % 4]}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure without global state: pyplot and displays are not used.

    Args:
        width: width in inches.
        height: height in inches.

    Raises:
        ImportError: matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('figures need matplotlib; install it with pip install "hf_selfdistill[report]"') from None
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, file: Path, dpi: float | None = None) -> None:
    """Write a PNG file atomically; by default with the dots per inch of the figure."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi or "figure")
    write_whole(file, content.getvalue())
