"""Hashes of what a run is made from."""

from __future__ import annotations

from collections.abc import Mapping

import datasets

from hf_selfdistill.data.origin import hash_of_videos
from hf_selfdistill.training.record import hash_of_model, together

__all__ = ["hash_of_data", "hashes_of_models", "hashes_of_parts"]


def hashes_of_models(**names: str | None) -> dict[str, str]:
    """Return the hash of each model that is a local folder; a name on the Hub has none."""
    found = {which: hash_of_model(name) for which, name in names.items() if name is not None}
    return {which: own for which, own in found.items() if own is not None}


def hashes_of_parts(parts: Mapping[str, datasets.Dataset | datasets.IterableDataset]) -> dict[str, str]:
    """Return the hash of the names and labels of each part that is listed and not empty."""
    return {
        part: hash_of_videos(records)
        for part, records in parts.items()
        if isinstance(records, datasets.Dataset) and len(records)
    }


def hash_of_data(parts: Mapping[str, datasets.Dataset]) -> str:
    """Return one hash of all parts of a data set, and of which videos are in which part."""
    return together(hashes_of_parts({name: parts[name] for name in sorted(parts)}).values())
