"""What all figures have in common: a canvas of their own and colours that everybody can tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "GREY", "MARKERS", "look", "new_figure"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's, without black and yellow, so that they show on white and on black."""

MARKERS = ("o", "s", "^", "D", "v", "P")
"""One for each colour: colour alone tells nothing apart."""

GREY = "#808080"

_LINES = ("-", "--", ":", "-.")


def look(number: int) -> dict[str, str]:
    """Colour, marker and line of the number-th of many things; each of the first 72 has its own.

    The first 36 differ in colour and marker, where there is no line.
    """
    turn = number // 6
    return {"color": COLOURS[number % 6], "marker": MARKERS[(number + turn) % 6], "linestyle": _LINES[turn % 4]}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that no other one knows of: neither pyplot nor a display is touched.

    Args:
        width: inches.
        height: inches.

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
