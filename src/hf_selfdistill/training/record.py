"""Record of a run, `run.json`: the config, the inputs, and all measurements of the model."""

# No `from __future__ import annotations` here: `strict` checks values against types and does not resolve strings.
import dataclasses
import hashlib
import json
import logging
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import StrictDataclassError
from typing_extensions import Self

from hf_selfdistill.data.whole_files import hash_of_file, without_nan, write_whole

__all__ = ["RECORD", "Input", "Result", "RunRecord", "hash_of_model", "kept_warnings", "software", "together"]

RECORD = "run.json"


@strict
@dataclass
class Input:
    """One input of a run.

    Args:
        sha256: hash of the names and labels of videos, or of the configuration and weights of a model.
        videos: number of videos; None for a model.
    """

    sha256: str
    videos: int | None = None


@strict
@dataclass
class Result:
    """One measurement of a model.

    Args:
        task: `"classification"`, `"retrieval"`, `"linear_probe"`, `"knn"`, `"forgetting"` or `"relearning"`.
        weights: `hash_of_model` of the measured model.
        values: all measured values, as in the JSON file of the evaluation, `protocol` included.
        config: config of the evaluation, without the parameters at their defaults.
        identity: identity of `config`.
        software: versions of the software during the measurement.
    """

    task: str
    weights: str
    values: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    identity: str = ""
    software: dict[str, str] = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        """Description of the videos and clips of the measurement."""
        return str(self.values["protocol"])


@strict
@dataclass
class RunRecord:
    """Record of a run.

    Args:
        task: `"finetune"` or `"pretrain"`.
        config: config of the run, without the parameters at their defaults.
        identity: hash of all that changes the result, see `RunConfig.identity`; empty for a run without a config.
        inputs: maps each input (`encoder`, `train`, `validation`, `test`, `reference`) to the hash of its contents.
        software: versions, and the commit of the package.
        status: `"running"` until the model is saved, `"interrupted"` if a signal ended the run with a checkpoint.
        model: facts about the model: `architecture`, `model_type`, `classes`, `num_frames`, `frame_stride`, …
        description: tables for the card and the report, by title: name → value as text.
        progress: `step`, `max_steps`, `epoch` and `num_epochs`.
        changes: parameters that changed in a resumed run: `step`, `parameter`, `before`, `after`.
        warnings: warnings that the run logged, in their order.
        wall_seconds: wall time of all attempts.
        weights: `hash_of_model` of the saved model.
        metrics: metrics of the training and of the last validation, as in `all_results.json`.
        results: later measurements.
        card: metadata of the model card: `license`, `language`, `tags`, `model_name`, `hub_model_id`.
    """

    task: Literal["finetune", "pretrain"]
    config: dict[str, Any] = field(default_factory=dict)
    identity: str = ""
    inputs: dict[str, Input] = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)
    status: Literal["running", "interrupted", "finished"] = "running"
    model: dict[str, Any] = field(default_factory=dict)
    description: dict[str, dict[str, str]] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    wall_seconds: float = 0.0
    weights: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    card: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str | Path) -> Self | None:
        """Read the record of a folder; None if the folder has none.

        Raises:
            ValueError: the file is damaged.
        """
        file = Path(folder) / RECORD
        if not file.is_file():
            return None
        try:
            fields = json.loads(file.read_text(encoding="utf-8"))
            fields["inputs"] = {name: Input(**own) for name, own in fields["inputs"].items()}
            fields["results"] = [Result(**own) for own in fields["results"]]
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, StrictDataclassError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{file} is damaged ({reason}); move it away, or run the command again") from None

    def save(self, folder: str | Path) -> None:
        """Write the record into a folder atomically."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        content = json.dumps(without_nan(dataclasses.asdict(self)), indent=1, ensure_ascii=False)
        write_whole(Path(folder) / RECORD, content + "\n")

    def add(self, result: Result) -> None:
        """Add a result in place of an earlier one of the same task and protocol."""
        self.results = [r for r in self.results if (r.task, r.protocol) != (result.task, result.protocol)] + [result]

    def current(self, task: str | None = None) -> list[Result]:
        """Return the results that were measured on the saved weights, of one task or of all."""
        return [r for r in self.results if r.weights == self.weights and task in (None, r.task)]

    def latest(self, task: str) -> dict[str, Any] | None:
        """Return the values of a task's last result on the saved weights."""
        return next((result.values for result in reversed(self.current(task))), None)

    def of_weights(self, weights: str | None) -> Self:
        """Return the record of a folder with these weights; metrics of other weights are left out."""
        metrics = self.metrics if weights == self.weights else {}
        return dataclasses.replace(self, weights=weights, metrics=metrics)

    def stale(self) -> list[str]:
        """Return the tasks with results on other weights only, not on the saved weights."""
        return sorted({result.task for result in self.results} - {result.task for result in self.current()})


def hash_of_model(name: str | Path) -> str | None:
    """Return the SHA-256 of a model's configuration and weights; None for a name that is not a local folder.

    Args:
        name: folder of the model.
    """
    folder = Path(name)
    weights = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not weights:
        return None
    return together(map(hash_of_file, (folder / "config.json", *weights)))


def together(hashes: Iterable[str]) -> str:
    """Combine several hashes into one."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def software() -> dict[str, str]:
    """Return the versions that a result depends on, and the commit if the package runs from a checkout."""
    import av
    import torch
    import transformers

    here = Path(__file__)
    commit = _git(here, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40")
    found: Mapping[str, str] = {
        "hf_selfdistill": version("hf_selfdistill"),
        "commit": commit if _git(here, "ls-files", here.name) else "",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "decoder": f"PyAV {av.__version__}",
    }
    return {name: value for name, value in found.items() if value}


def _git(file: Path, *arguments: str) -> str:
    try:
        said = subprocess.run(["git", *arguments], cwd=file.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # git is missing, or the package is installed
        return ""
    return said.stdout.strip()


class _Collector(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def kept_warnings(messages: list[str]) -> Iterator[None]:
    """Append the warnings that this package logs within the block to `messages`."""
    collector, logger = _Collector(messages), logging.getLogger("hf_selfdistill")
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)
