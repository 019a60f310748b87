"""An experiment: a training and its tests, done one after the other, each of them once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_selfdistill.runs.config import RunConfig
from hf_selfdistill.runs.configs import EvaluateConfig, FinetuneConfig, ForgettingConfig, PretrainConfig
from hf_selfdistill.training.checkpoints import last_checkpoint
from hf_selfdistill.training.record import RECORD, RunRecord

__all__ = ["Experiment", "Identities", "as_plan", "run_plan"]

KINDS: dict[str, type[RunConfig]] = {
    kind.__name__: kind for kind in (FinetuneConfig, PretrainConfig, EvaluateConfig, ForgettingConfig)
}
Training = FinetuneConfig | PretrainConfig


class Identities:
    """Identities of many configs; the videos of configs that read the same data set are hashed once."""

    def __init__(self) -> None:
        self._data: dict[Any, dict[str, str]] = {}

    def __call__(self, config: RunConfig) -> str:
        """Return the identity of a config."""
        return config.identity(self.inputs(config))

    def inputs(self, config: RunConfig) -> dict[str, str]:
        """Return the hashes of a config's inputs."""
        key = (type(config), *(str(getattr(config, name)) for name in config.data_fields()))
        if key not in self._data:
            self._data[key] = config.data_hashes()
        return {**config.model_hashes(), **self._data[key]}


@dataclass(frozen=True)
class Experiment:
    """A training and its tests.

    Args:
        training: the training; its output folder is the experiment's.
        tests: tests of the models that the training saves.
    """

    training: Training
    tests: tuple[EvaluateConfig | ForgettingConfig, ...] = ()

    @property
    def folder(self) -> Path:
        """Folder of the experiment."""
        return Path(str(self.training.output_dir))

    def remaining(self, identities: Identities) -> list[RunConfig]:
        """Return the configs that are not done, in their order.

        Raises:
            ValueError: the folder holds another run, or a run of an earlier version.
        """
        trained = self._is_trained(identities)
        left: list[RunConfig] = [] if trained else [self.training]
        return left + [test for test in self.tests if not (trained and is_tested(test, identities))]

    def _is_trained(self, identities: Identities) -> bool:
        record = RunRecord.load(self.folder)
        if record is None:
            if last_checkpoint(self.folder) is not None or (self.folder / "config.json").is_file():
                raise ValueError(
                    f"{self.folder} has no {RECORD}: an earlier version or another tool made it; give another "
                    "`output_dir`, or move that folder away"
                )
            return False
        inputs = identities.inputs(self.training)
        if record.identity != self.training.identity(inputs):
            raise ValueError(
                f"{self.folder} holds another run: {_difference(record, self.training, inputs)}; give another "
                "`output_dir`, or move that folder away"
            )
        return record.status == "finished"


def is_tested(test: RunConfig, identities: Identities) -> bool:
    """Return whether a test was made on the weights that its model has now."""
    record = RunRecord.load(Path(test.model_name_or_path))  # type: ignore[attr-defined]
    if record is None:
        return False
    identity = identities(test)
    return any(result.identity == identity for result in record.current())


def _difference(record: RunRecord, config: RunConfig, inputs: Mapping[str, str]) -> str:
    """Name the first parameter or input that differs, with both values."""
    before, now = type(config).from_dict(record.config).essence(), config.essence()
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            old, new = (values.get(name, "the default") for values in (before, now))
            return f"its `{name}` was {old}, now it is {new}"
    for name in sorted({*record.inputs, *inputs}):
        old_hash = record.inputs[name].sha256 if name in record.inputs else "missing"
        new_hash = inputs.get(name, "missing")
        if old_hash != new_hash:
            return f"its input `{name}` had the SHA-256 {old_hash:.8}, now it has {new_hash:.8}"
    return "it was made by another version"


def as_plan(configs: Sequence[RunConfig]) -> list[dict[str, Any]]:
    """Return configs as JSON takes them."""
    return [{"kind": type(config).__name__, "values": config.to_dict()} for config in configs]


def run_plan(plan: Sequence[Mapping[str, Any]]) -> None:
    """Run configs one after the other; a training that was interrupted continues from its last checkpoint.

    Args:
        plan: configs, see `as_plan`.
    """
    from hf_selfdistill.runs.evaluate import evaluate
    from hf_selfdistill.runs.finetune import finetune
    from hf_selfdistill.runs.forgetting import measure_forgetting
    from hf_selfdistill.runs.pretrain import pretrain

    for entry in plan:
        config = KINDS[entry["kind"]].from_dict(entry["values"])
        match config:
            case FinetuneConfig():
                finetune(_resumed(config))
            case PretrainConfig():
                pretrain(_resumed(config))
            case EvaluateConfig():
                evaluate(config)
            case ForgettingConfig():
                measure_forgetting(config)


def _resumed(config: Any) -> Any:
    resumes = last_checkpoint(Path(str(config.output_dir))) is not None
    return dataclasses.replace(config, resume_from_checkpoint="true" if resumes else None)
