"""Base class of self-supervised objectives."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BaseVideoProcessor, PreTrainedConfig, PreTrainedModel

from hf_selfdistill.data.unlabelled import VideoViews
from hf_selfdistill.data.whole_files import write_tensors

__all__ = ["OBJECTIVE_NAME", "Objective", "ObjectiveOutput"]

OBJECTIVE_NAME = "objective.safetensors"


@dataclass
class ObjectiveOutput:
    """Loss and metrics of a batch.

    Attributes:
        loss: scalar with a graph.
        metrics: maps the name of a metric to its values `(videos,)`, without a graph; NaN where the metric does not
            apply to a video.
    """

    loss: Tensor
    metrics: dict[str, Tensor]


class Objective(nn.Module, ABC):
    """An encoder with the heads of a self-supervised objective.

    A subclass adds its heads to `encoder`, defines the clips of a video (`views`) and computes loss and metrics of a
    batch of views (`forward`). `PretrainingTrainer` does the rest. In evaluation mode `forward` must change nothing.

    Args:
        encoder: a model of transformers that returns `pooler_output` `(clips, dim)`.
        arguments: an instance of the objective's `Arguments`.
    """

    name: ClassVar[str]
    Arguments: ClassVar[type[Any]]
    accepts_loss_kwargs = False  # the Trainer must average accumulated batches itself

    def __init__(self, encoder: PreTrainedModel, arguments: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.arguments = arguments

    @property
    def config(self) -> PreTrainedConfig:
        """The config of the encoder, for the Trainer's model card and trackers."""
        return self.encoder.config

    @property
    def feature_size(self) -> int:
        """Dimension of the encoder's pooled features."""
        config = self.encoder.config.to_dict()
        return config["hidden_sizes"][-1] if "hidden_sizes" in config else config["hidden_size"]

    def activation_checkpointing_enable(self, **settings: Any) -> None:
        """Recompute the encoder's activations in the backward pass; called by the Trainer."""
        self.encoder.activation_checkpointing_enable(**settings)

    def gradient_checkpointing_enable(self, **settings: Any) -> None:
        """Recompute the encoder's activations; the name that transformers 5.19 calls."""
        self.encoder.gradient_checkpointing_enable(**settings)

    def features(self, clips: Tensor) -> Tensor:
        """Return pooled features `(clips, dim)` of normalised clips `(clips, T, C, H, W)`."""
        return self.encoder(**{self.encoder.main_input_name: clips}).pooler_output

    @abstractmethod
    def views(self, processor: BaseVideoProcessor) -> VideoViews:
        """Return the views of a video: the tensors that `forward` takes, by name, without the batch dimension.

        Args:
            processor: video processor of the encoder; the views have its size and normalisation.
        """

    @abstractmethod
    def forward(self, *args: Any, **inputs: Any) -> ObjectiveOutput:
        """Return the loss and the metrics of a batch of views."""

    def fit_to_batch(self, videos_per_process: int, processes: int) -> None:
        """Adapt the objective to the batch size before training.

        Raises:
            ValueError: the objective can't be trained with this number of videos or processes.
        """

    def warn_of(self, videos: int) -> None:
        """Warn if the arguments do not suit the number of videos in the data set."""

    def begin_step(self) -> None:
        """Prepare an optimiser step; called once per step, also with gradient accumulation."""

    def arguments_that_count(self) -> dict[str, Any]:
        """Return the arguments that are saved and must be equal when a run is resumed."""
        return asdict(self.arguments)

    def save(self, folder: str | Path) -> None:
        """Write all weights and buffers except the encoder's to `objective.safetensors`."""
        about = {"objective": self.name, "arguments": json.dumps(self.arguments_that_count())}
        write_tensors(Path(folder) / OBJECTIVE_NAME, self._added(), about)

    def load(self, folder: str | Path) -> None:
        """Restore the weights and buffers that `save` wrote.

        Raises:
            ValueError: `check` refuses the file.
        """
        self.check(folder)
        self.load_state_dict(load_file(Path(folder) / OBJECTIVE_NAME), strict=False)

    def check(self, folder: str | Path) -> None:
        """Check what `save` wrote, without reading the weights.

        Raises:
            ValueError: the file is missing or damaged, or its objective, arguments or shapes differ.
        """
        file = Path(folder) / OBJECTIVE_NAME
        try:
            with safe_open(file, "pt") as saved:
                self._check_arguments(saved.metadata() or {})
                self._check_shapes({name: tuple(saved.get_slice(name).get_shape()) for name in saved.keys()})
        except (OSError, SafetensorError, ValueError) as error:
            raise ValueError(
                f"the objective can't be restored from {file} ({' '.join(str(error).split())}); resume from another "
                "checkpoint, or with this checkpoint's objective, arguments and videos per step"
            ) from error

    def _added(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("encoder.")}

    def _check_arguments(self, about: dict[str, str]) -> None:
        if about.get("objective") != self.name:
            raise ValueError(f"its objective is {about.get('objective', 'unknown')}, not {self.name}")
        mine = json.loads(json.dumps(self.arguments_that_count()))  # turns tuples into lists, as in the file
        saved = json.loads(about.get("arguments", "{}"))
        for name in sorted(saved.keys() & mine.keys()):
            if saved[name] != mine[name]:
                raise ValueError(f"it was trained with `{name}` {saved[name]}, not {mine[name]}")

    def _check_shapes(self, saved: dict[str, tuple[int, ...]]) -> None:
        mine = {name: tuple(tensor.shape) for name, tensor in self._added().items()}
        if mine.keys() != saved.keys():
            raise ValueError(f"missing or unexpected weights: {', '.join(sorted(mine.keys() ^ saved.keys())[:3])}")
        for name, shape in saved.items():
            if shape != mine[name]:
                raise ValueError(f"its {name} has shape {shape}, not {mine[name]}")
