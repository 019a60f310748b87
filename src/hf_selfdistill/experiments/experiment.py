"""An experiment: a training and the tests of its models."""

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


class Identities:
    """Cache of config identities; configs that read the same data set share its hashes."""

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
        training: config of the training; its output folder is the folder of the experiment.
        tests: configs of the tests of the models that the training saves.
    """

    training: FinetuneConfig | PretrainConfig
    tests: tuple[EvaluateConfig | ForgettingConfig, ...] = ()

    @property
    def folder(self) -> Path:
        """Folder of the experiment."""
        return Path(str(self.training.output_dir))

    def remaining(self, identities: Identities) -> list[RunConfig]:
        """Return the configs that have no up-to-date result, in the order to run them.

        Raises:
            ValueError: the folder holds a different run, or a run of an earlier version.
        """
        if not self._is_trained(identities):
            return [self.training, *self.tests]
        return [test for test in self.tests if not _is_tested(test, identities)]

    def _is_trained(self, identities: Identities) -> bool:
        cure = "give another `output_dir`, or move that folder"
        record = RunRecord.load(self.folder)
        if record is None:
            if last_checkpoint(self.folder) is not None or (self.folder / "config.json").is_file():
                raise ValueError(f"{self.folder} has no {RECORD}: an earlier version or another tool made it; {cure}")
            return False
        inputs = identities.inputs(self.training)
        if record.identity != self.training.identity(inputs):
            raise ValueError(
                f"{self.folder} holds a different run: {_difference(record, self.training, inputs)}; {cure}"
            )
        return record.status == "finished"


def _is_tested(test: EvaluateConfig | ForgettingConfig, identities: Identities) -> bool:
    """Return whether the record of the model has this test of its current weights."""
    record = RunRecord.load(Path(test.model_name_or_path))
    return record is not None and identities(test) in {result.identity for result in record.current()}


def _difference(record: RunRecord, config: RunConfig, inputs: Mapping[str, str]) -> str:
    """Describe the first parameter or input that differs, with both values."""
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
    """Convert configs to JSON values."""
    return [{"kind": type(config).__name__, "values": config.to_dict()} for config in configs]


def run_plan(plan: Sequence[Mapping[str, Any]]) -> None:
    """Run configs one after the other; an interrupted training continues from its last checkpoint.

    Args:
        plan: configs as JSON values, see `as_plan`.
    """
    from hf_selfdistill.runs.evaluate import evaluate
    from hf_selfdistill.runs.finetune import finetune
    from hf_selfdistill.runs.forgetting import measure_forgetting
    from hf_selfdistill.runs.pretrain import pretrain

    for entry in plan:
        config = KINDS[entry["kind"]].from_dict(entry["values"])
        if isinstance(config, FinetuneConfig | PretrainConfig):
            resumes = last_checkpoint(Path(str(config.output_dir))) is not None
            config = dataclasses.replace(config, resume_from_checkpoint="true" if resumes else None)
        match config:
            case FinetuneConfig():
                finetune(config)
            case PretrainConfig():
                pretrain(config)
            case EvaluateConfig():
                evaluate(config)
            case ForgettingConfig():
                measure_forgetting(config)
