"""Hashes of the inputs of a run, and its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import datasets

from hf_selfdistill.data.origin import hash_of_videos
from hf_selfdistill.runs.config import RunConfig
from hf_selfdistill.training.record import Input, RunRecord, hash_of_model, together

__all__ = ["begin_record", "hash_of_data", "hashes_of_models", "hashes_of_parts"]


def begin_record(
    task: Literal["finetune", "pretrain"],
    config: RunConfig,
    parts: Mapping[str, datasets.Dataset | datasets.IterableDataset],
    **model: Any,
) -> RunRecord:
    """Return the record of a run with the hashes of its models; the trainer adds the hashes of the videos.

    Args:
        task: task of the run.
        config: config of the run.
        parts: the videos that the run uses, by part.
        model: facts about the model, see `RunRecord`.
    """
    inputs = config.inputs(parts)
    models = {name: Input(own) for name, own in inputs.items() if name in ("encoder", "reference")}
    return RunRecord(task, identity=config.identity(inputs), config=config.to_dict(), inputs=models, model=model)


def hashes_of_models(**names: str | None) -> dict[str, str]:
    """Return the hash of each model that is a local folder; a name on the Hub has none."""
    found = {which: hash_of_model(name) for which, name in names.items() if name is not None}
    return {which: own for which, own in found.items() if own is not None}


def hashes_of_parts(parts: Mapping[str, datasets.Dataset | datasets.IterableDataset]) -> dict[str, str]:
    """Return the hash of the names and labels of each part, streams and empty parts left out."""
    return {
        part: hash_of_videos(records)
        for part, records in parts.items()
        if isinstance(records, datasets.Dataset) and len(records)
    }


def hash_of_data(parts: Mapping[str, datasets.Dataset]) -> str:
    """Return one hash of all parts of a data set; it depends on the assignment of videos to parts."""
    return together(hashes_of_parts({name: parts[name] for name in sorted(parts)}).values())
