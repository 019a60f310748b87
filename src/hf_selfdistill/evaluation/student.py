"""Student's t: how much wider an interval is that knows its own scatter from few groups."""

from __future__ import annotations

__all__ = ["student"]

_EXACT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)  # 1 … 10 degrees of freedom
_NORMAL = 1.959964


def student(degrees_of_freedom: int) -> float:
    """97.5 % of Student's t; beyond ten degrees of freedom by its series around the normal distribution.

    Abramowitz & Stegun, Handbook of Mathematical Functions, 26.7.5, three terms: right to 0.0005.
    """
    if degrees_of_freedom <= len(_EXACT):
        return _EXACT[degrees_of_freedom - 1]
    z = _NORMAL
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees_of_freedom + second / degrees_of_freedom**2 + third / degrees_of_freedom**3
