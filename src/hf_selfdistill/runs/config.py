"""The base of all configs: comparison, conversion to dictionaries, and identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import Self

from hf_selfdistill.training.arguments import given_values

__all__ = ["RunConfig"]

CHANGES_NOTHING = frozenset(
    """
    output_dir output_file overwrite_output_dir resume_from_checkpoint max_unreadable per_device_eval_batch_size
    use_cpu do_eval eval_accumulation_steps disable_tqdm report_to run_name project trackio_space_id seed_everything
    logging_dir logging_strategy logging_first_step logging_steps logging_nan_inf_filter log_level log_level_replica
    log_on_each_node save_strategy save_steps save_total_limit save_only_model save_on_each_node
    enable_jit_checkpoint push_to_hub hub_model_id hub_strategy hub_private_repo hub_always_push hub_revision
    dataloader_num_workers dataloader_pin_memory dataloader_persistent_workers dataloader_prefetch_factor
    skip_memory_metrics ddp_timeout ddp_backend local_rank drift
    """.split()
)
"""Fields that do not change the result: places, workers, logging, progress bars, saving, measurements of drift."""


class RunConfig:
    """A config of a run: two configs are equal if all their values are equal."""

    places: ClassVar[tuple[str, ...]] = ()
    """Fields that name files and folders; the identity has the hashes of their contents instead."""
    models: ClassVar[tuple[str, ...]] = ()
    """Fields that name a model; the identity has the hash of a folder, or the name on the Hub."""

    def to_dict(self) -> dict[str, Any]:
        """Return the values that differ from their defaults, for JSON."""
        return given_values(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the config with these values; missing values have their defaults.

        Raises:
            ValueError: a name is not a field of the config, or a value is not allowed.
        """
        known = {own.name for own in fields(cls) if own.init}  # type: ignore[arg-type]
        if unknown := sorted(values.keys() - known):
            raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}; check the spelling")
        return cls(**values)

    def inputs(self, parts: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Return the SHA-256 of the contents of each input, by name.

        Args:
            parts: the videos that the run uses, by part; read again if not given.
        """
        return {**self.model_hashes(), **self.data_hashes(parts)}

    def model_hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each model that is a local folder, by name."""
        return {}

    def data_hashes(self, parts: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Return the SHA-256 of the videos of each part that is used, by name."""
        return {}

    @classmethod
    def data_fields(cls) -> list[str]:
        """Return the names of the fields that `data_hashes` depends on."""
        names = ("dataset", "annotations", "split", "validation_fraction", "label_fraction", "max_train_samples")
        known = {own.name for own in fields(cls)}  # type: ignore[arg-type]
        return sorted(known & {*names, *cls.places, "reference_dataset", "reference_split", "seed", "part", "task"})

    def identity(self, inputs: Mapping[str, str] | None = None) -> str:
        """Return the hash of everything that changes the result.

        Args:
            inputs: the `inputs` of the config; computed if not given.
        """
        inputs = self.inputs() if inputs is None else inputs
        return _hash({**self.essence(), **{f"{name} (SHA-256)": own for name, own in inputs.items()}})

    def essence(self) -> dict[str, Any]:
        """Return the values that change the result, without the names of files and folders."""
        return {
            name: value
            for name, value in self.to_dict().items()
            if name not in CHANGES_NOTHING
            and name not in self.places
            and not (name in self.models and Path(str(value)).is_dir())
        }

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(_hash(self.to_dict()))


def _hash(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
