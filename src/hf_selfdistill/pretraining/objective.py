"""What a self-supervised objective is: the clips it wants of a video, the heads it adds, its loss and its metrics."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BaseVideoProcessor, PreTrainedConfig, PreTrainedModel

from hf_selfdistill.data.unlabelled import VideoViews

__all__ = ["OBJECTIVE_NAME", "Objective", "ObjectiveOutput", "check_weights"]

OBJECTIVE_NAME = "objective.safetensors"


def check_weights(arguments: Any, *names: str) -> None:
    """Refuse weights of a loss's terms of which nothing would be learnt.

    Raises:
        ValueError: one is negative or no number, or all are 0.
    """
    weights = {name: getattr(arguments, name) for name in names}
    for name, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise ValueError(f"{name} is {weight}; it must be a finite number and not negative")
    if not any(weights.values()):
        raise ValueError(f"{' and '.join(names)} are both 0, so nothing would be learnt; raise one")


@dataclass
class ObjectiveOutput:
    """What one batch gives.

    Attributes:
        loss: scalar, with its graph.
        metrics: one value per video `(videos,)`, without a graph; NaN where it says nothing of a video.
    """

    loss: Tensor
    metrics: dict[str, Tensor]


class Objective(nn.Module, ABC):
    """An encoder with the heads of a self-supervised objective.

    A subclass adds its heads to `encoder`, names the clips that it wants of each video (`views`) and computes loss and
    metrics of a batch of them (`forward`). `PretrainingTrainer` does the rest. In evaluation mode `forward` must
    change nothing.

    Args:
        encoder: a model of transformers that returns `pooler_output` (clips, dim).
        arguments: the objective's own, an instance of its `Arguments`.
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
        """The encoder's, for the Trainer's model card and trackers."""
        return self.encoder.config

    @property
    def feature_size(self) -> int:
        """dim of the encoder's pooled features."""
        config = self.encoder.config.to_dict()
        return config["hidden_sizes"][-1] if "hidden_sizes" in config else config["hidden_size"]

    def activation_checkpointing_enable(self, **settings: Any) -> None:
        """Recompute the encoder's activations in the backward pass; called by the Trainer."""
        self.encoder.activation_checkpointing_enable(**settings)

    def gradient_checkpointing_enable(self, **settings: Any) -> None:
        """The same, as transformers 5.19 calls it."""
        self.encoder.gradient_checkpointing_enable(**settings)

    def features(self, clips: Tensor) -> Tensor:
        """Pooled features `(clips, dim)` of normalised clips `(clips, T, C, H, W)`."""
        return self.encoder(**{self.encoder.main_input_name: clips}).pooler_output

    @abstractmethod
    def views(self, processor: BaseVideoProcessor) -> VideoViews:
        """What the objective takes of a video: tensors by the names that `forward` takes, without batch dimension.

        Args:
            processor: of the encoder; its size and normalisation are used.
        """

    @abstractmethod
    def forward(self, *args: Any, **inputs: Any) -> ObjectiveOutput:
        """Loss and metrics of a batch of views."""

    def fit_to_batch(self, videos_per_process: int, processes: int) -> None:
        """Learn, before training, how many videos a forward pass has.

        Raises:
            ValueError: the objective can't be trained on so few or so many.
        """

    def warn_of(self, videos: int) -> None:
        """Say what does not suit a data set of so many videos."""

    def begin_step(self) -> None:
        """What happens before each optimiser step, whatever the number of batches accumulated in it."""

    def arguments_that_count(self) -> dict[str, Any]:
        """Those that are saved, and must be the same where a run is resumed, by name."""
        return asdict(self.arguments)

    def save(self, folder: str | Path) -> None:
        """Write what the objective adds to its encoder, as `objective.safetensors`."""
        added = {name: tensor.contiguous() for name, tensor in self._added().items()}
        about = {"objective": self.name, "arguments": json.dumps(self.arguments_that_count())}
        save_file(added, Path(folder) / OBJECTIVE_NAME, about)

    def load(self, folder: str | Path) -> None:
        """Restore what `save` wrote.

        Raises:
            ValueError: the file is missing, damaged, or of another objective, with other arguments or shapes.
        """
        file = Path(folder) / OBJECTIVE_NAME
        try:
            with safe_open(file, "pt") as saved:
                self._check(saved.metadata() or {})
                self._check_shapes({name: tuple(saved.get_slice(name).get_shape()) for name in saved.keys()})
            self.load_state_dict(load_file(file), strict=False)
        except (OSError, SafetensorError, ValueError) as error:
            raise ValueError(
                f"the objective can't be restored from {file} ({' '.join(str(error).split())}); resume from another "
                "checkpoint, or with the objective, the arguments and the videos per step of this one"
            ) from error

    def _added(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("encoder.")}

    def _check(self, about: dict[str, str]) -> None:
        if about.get("objective") != self.name:
            raise ValueError(f"it is of the objective {about.get('objective', 'unknown')}, not {self.name}")
        mine = json.loads(json.dumps(self.arguments_that_count()))  # tuples are lists, as in the file
        saved = json.loads(about.get("arguments", "{}"))
        for name in sorted(saved.keys() & mine.keys()):
            if saved[name] != mine[name]:
                raise ValueError(f"it was trained with {name} {saved[name]}, not {mine[name]}")

    def _check_shapes(self, saved: dict[str, tuple[int, ...]]) -> None:
        mine = {name: tuple(tensor.shape) for name, tensor in self._added().items()}
        if mine.keys() != saved.keys():
            raise ValueError(f"its weights are not {self.name}'s: {', '.join(sorted(mine.keys() ^ saved.keys())[:3])}")
        for name, shape in saved.items():
            if shape != mine[name]:
                raise ValueError(f"its {name} has the shape {shape}, not {mine[name]}")
