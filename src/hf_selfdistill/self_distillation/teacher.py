"""Frozen teacher f' of Eq. 2, a copy of the student's encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hf_selfdistill.data.whole_files import write_tensors
from hf_selfdistill.models.features import copy_encoder, logits_of
from hf_selfdistill.models.folding import fold_batch_norm, without_batch_norm
from hf_selfdistill.training.buffers import share_buffers
from hf_selfdistill.training.encoder_copy import take_over, whole

__all__ = ["TEACHER_NAME", "Teacher"]

TEACHER_NAME = "teacher.safetensors"


class Teacher:
    """Frozen copy of everything before a video classifier's last layer.

    Dropout and stochastic depth are off in the teacher. Its running statistics change only when the student is copied.

    Args:
        model: the student, any video classifier of transformers, before it is wrapped for distributed training.
        norm: statistics of BatchNorm. `"batch"` uses the statistics of the current clips, as the student does in
            training, so the distance is exactly 0 at equal weights. `"running"` uses the running statistics copied
            from the student; C3D and R(2+1)D then have them folded into a second copy of the convolutions, which
            computes the features (equal up to rounding).
    """

    def __init__(self, model: nn.Module, norm: str = "batch") -> None:
        self.encoder = copy_encoder(model).eval().requires_grad_(False)
        self._averages: dict[str, torch.Tensor] = {}  # of weights in half precision, in float32
        if norm == "batch":
            for module in self.encoder.modules():
                if isinstance(module, _BatchNorm):
                    module.train()
                    module.track_running_stats = False
        folded = without_batch_norm(self.encoder) if norm == "running" else None
        self.network = self.encoder if folded is None else folded
        self._fold()

    def to(self, device: torch.device) -> None:
        """Move the teacher to a device."""
        self.encoder.to(device)
        self.network.to(device)

    def compile(self, **settings: Any) -> None:
        """Compile what computes the features; see `torch.compile`."""
        self.network.compile(**settings)

    def _fold(self) -> None:
        if self.network is not self.encoder:
            fold_batch_norm(self.encoder, self.network)

    @torch.no_grad()
    def __call__(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the features `(clips, dim)` of the student's clips."""
        return logits_of(self.network(**inputs)).flatten(1)

    def copy_from(self, student: nn.Module) -> None:
        """Copy the parameters and buffers of the student's encoder (Algorithm 1, begin of an epoch)."""
        take_over(self.encoder, student)
        self._averages.clear()
        self._fold()

    @torch.no_grad()
    def average_with(self, student: nn.Module, decay: float) -> None:
        """Update the exponential moving average: θ' ← decay·θ' + (1 − decay)·θ; buffers are copied.

        Weights in half precision are averaged in float32, because half precision rounds small changes to none.
        """
        source = student.state_dict()
        parameters = dict(self.encoder.named_parameters())
        for name, tensor in self.encoder.state_dict().items():
            new = whole(source[name])
            if name in parameters:
                precision = torch.promote_types(tensor.dtype, torch.float32)
                average = self._averages.setdefault(name, tensor.to(precision))
                new = average.lerp_(new.to(precision), 1.0 - decay)
            tensor.copy_(new)
        share_buffers(self.encoder)
        self._fold()

    def save(self, folder: str | Path) -> None:
        """Write `teacher.safetensors` into a checkpoint."""
        write_tensors(Path(folder) / TEACHER_NAME, self.encoder.state_dict() | self._averages)

    @torch.no_grad()
    def load(self, folder: str | Path) -> None:
        """Restore the teacher from a checkpoint.

        Raises:
            ValueError: `teacher.safetensors` is missing, damaged or from another architecture.
        """
        file = Path(folder) / TEACHER_NAME
        mine = self.encoder.state_dict()
        try:
            saved = load_file(file)
            for name, tensor in mine.items():
                tensor.copy_(saved[name])
                if saved[name].dtype != tensor.dtype:
                    self._averages[name] = saved[name].to(tensor.device)
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise ValueError(
                f"the teacher can't be restored from {file} ({type(error).__name__}: {error}); resume from another "
                "checkpoint, or start a new run with this checkpoint as `model_name_or_path`"
            ) from error
        self._fold()
