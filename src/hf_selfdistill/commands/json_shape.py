"""What a JSON file must hold, and the first thing in it that is otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["ANY", "read_json"]

ANY = "*"
"""In a shape: of any name."""


def read_json(file: Path, shape: Any) -> Any:
    """What a file holds; None where there is no such file.

    Args:
        file: to read.
        shape: a type; a tuple, one of which must fit; a list of the one shape of its elements; or a dictionary of the
            shapes by name: names that end in "?" may be missing, and `ANY` stands for all.

    Raises:
        ValueError: it is no JSON, or of another shape, which names what it lacks first.
    """
    if not file.is_file():
        return None
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is no JSON ({error}); write it anew, or take it away") from None
    if (wrong := _wrong(value, shape, "")) is not None:
        raise ValueError(f"{file} {wrong}; it is of another kind or broken: write it anew, or take it away")
    return value


def _wrong(value: Any, shape: Any, place: str) -> str | None:
    """In words, what does not fit; None where all does."""
    found: list[str | None]
    if isinstance(shape, tuple):
        found = [_wrong(value, one, place) for one in shape]
        return None if None in found else found[-1]
    if isinstance(shape, list) and isinstance(value, list):
        found = [_wrong(one, shape[0], f"{place}[{number}]") for number, one in enumerate(value)]
    elif isinstance(shape, dict) and isinstance(value, dict):
        found = _wrong_fields(value, shape, place)
    else:
        fits = isinstance(shape, type) and isinstance(value, shape)
        found = [None if fits else f"has {json.dumps(value):.40}" + (f" as {place}" if place else "")]
    return next((words for words in found if words is not None), None)


def _wrong_fields(value: Mapping[str, Any], shape: Mapping[str, Any], place: str) -> list[str | None]:
    found: list[str | None] = []
    for key in shape:
        name, prefix = key.removesuffix("?"), f"{place}." if place else ""
        if key == ANY:
            found += [_wrong(one, shape[ANY], prefix + own) for own, one in value.items()]
        elif name in value:
            found.append(_wrong(value[name], shape[key], prefix + name))
        elif name == key:
            found.append(f"lacks {prefix}{name}")
    return found
