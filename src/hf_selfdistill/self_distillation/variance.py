"""Variance of the teacher's features over clips, the unit of the distance with `distill_scale` "variance"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.whole_files import write_tensors
from hf_selfdistill.self_distillation.terms import merge_moments, moments

__all__ = ["SCALE_NAME", "FeatureVariance"]

SCALE_NAME = "distill_scale.safetensors"
MEMORY = 0.9  # weight of the earlier clips after one more step, as in the running statistics of BatchNorm


class FeatureVariance(TrainerCallback):
    """Callback that keeps v = Σ_i w_i · ‖f'_i − μ‖² / (dim · (Σ_i w_i − 1)), μ = Σ_i w_i · f'_i / Σ_i w_i.

    f'_i are the teacher's features of all clips of all processes in the earlier steps, and w_i = 0.9^k for a clip that
    was seen k steps before the latest one. A distance of 1 with `distill_reduction` "mean" is as far as a clip is from
    the mean of all clips (root mean square). Two different clips are at a distance of 2.

    The clips of a step count from the next step on, so that the number of processes and of accumulated batches does
    not matter. Before the first step v is infinite and the distance 0.
    """

    def __init__(self) -> None:
        self._moments: torch.Tensor | None = None  # (1 + 2·dim,) of the earlier steps
        self._step: list[torch.Tensor] = []  # of each batch of this step

    def observe(self, features: torch.Tensor) -> torch.Tensor:
        """Note the teacher's features `(clips, dim)` of a batch, and return v."""
        self._step.append(moments(features))
        if self._moments is None:
            return torch.full((), torch.inf, device=features.device)
        clips, (_, squares) = self._moments[0], self._moments[1:].chunk(2)
        variance = squares.mean() / (clips - 1)
        return torch.where(clips > 1, variance.clamp(min=1e-12), torch.inf)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Discard the clips of an earlier attempt."""
        self._step = []
        if self._moments is not None:
            self._moments = self._moments.to(args.device) if state.global_step else None

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Add the clips of this step on all processes; a collective call."""
        rows = gather(merge_moments(torch.stack(self._step))[None])
        if self._moments is not None:
            clips, mean, squares = self._moments.split([1, *[len(self._moments) // 2] * 2])
            rows = torch.cat([rows, torch.cat([MEMORY * clips, mean, MEMORY * squares])[None]])
        self._moments, self._step = merge_moments(rows), []

    def save(self, folder: str | Path) -> None:
        """Write `distill_scale.safetensors` into a checkpoint."""
        assert self._moments is not None
        write_tensors(Path(folder) / SCALE_NAME, {"moments": self._moments})

    def load(self, folder: str | Path) -> None:
        """Restore the variance from a checkpoint.

        Raises:
            ValueError: `distill_scale.safetensors` is missing or damaged.
        """
        file = Path(folder) / SCALE_NAME
        try:
            self._moments = load_file(file)["moments"]
        except (OSError, SafetensorError, KeyError) as error:
            raise ValueError(
                f"the variance of `distill_scale` can't be restored from {file} ({type(error).__name__}: {error}); "
                "resume from another checkpoint, or with the `distill_scale` of this checkpoint"
            ) from error
