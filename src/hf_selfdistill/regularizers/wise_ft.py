"""WiSE-FT: averages of pre-trained and fine-tuned weights (Wortsman et al., CVPR 2022, arXiv 2109.01903)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.models.features import last_layer
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["AVERAGES", "WeightAverageCallback"]

AVERAGES = "averages"
"""Folder of the averages in `output_dir`."""


class WeightAverageCallback(TrainerCallback):
    """Callback that computes θ_α = (1 − α) · θ⁰ + α · θ̂ after training.

    A head that started from a linear probe is averaged too, as in the paper. A head with a random start is not: the
    fine-tuned head is kept. BatchNorm's running statistics are averaged like weights; its counts are those of the
    fine-tuned model. Each average is saved in `averages/α` in the output folder, and the first becomes the model of
    the run.

    Args:
        trainer: the trainer before training; its model is θ⁰. A resumed run must start from the same model.
        weights: the values of α; the average of the first value is kept.
        with_head: whether the head is averaged.
    """

    def __init__(self, trainer: VideoTrainer, weights: Sequence[float], with_head: bool = False) -> None:
        self.trainer, self.weights, self.with_head = trainer, weights, with_head
        self.start = {name: tensor.detach().clone() for name, tensor in trainer.model.state_dict().items()}

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Save all averages, and keep the first one in the model."""
        model = self.trainer.model
        fine_tuned = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        for weight in [*self.weights[1:], self.weights[0]]:
            self.average(fine_tuned, model, weight)
            self.trainer.save_copy(Path(str(args.output_dir)) / AVERAGES / f"{weight:g}")

    @torch.no_grad()
    def average(self, fine_tuned: dict[str, Tensor], model: nn.Module, weight: float) -> None:
        """Write the average into the model.

        Args:
            fine_tuned: state of the classifier after training, which is the average for `weight` 1.
            model: the model that receives the average.
            weight: α.
        """
        kept = [] if self.with_head else last_layer(model).state_dict(keep_vars=True).values()
        head = {id(tensor) for tensor in kept}
        for name, tensor in model.state_dict(keep_vars=True).items():
            tensor.copy_(fine_tuned[name])
            if id(tensor) not in head and tensor.is_floating_point():
                tensor.lerp_(self.start[name].to(tensor), 1 - weight)
