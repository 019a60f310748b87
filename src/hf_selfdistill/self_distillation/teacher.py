"""The frozen teacher f' of Eq. 2: a copy of the student's encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hf_selfdistill.models.features import copy_encoder, logits_of
from hf_selfdistill.training.buffers import share_buffers
from hf_selfdistill.training.encoder_copy import take_over, whole

__all__ = ["TEACHER_NAME", "Teacher"]

TEACHER_NAME = "teacher.safetensors"


class Teacher:
    """A frozen copy of everything in front of a video classifier's last layer.

    Dropout and stochastic depth are off in it. BatchNorm is what `norm` says: with `"batch"` it normalises with the
    statistics of the clips at hand, as the student in training does, so that the distance is exactly 0 at equal
    weights; with `"running"` it uses the running statistics copied from the student. Its own running statistics never
    move between two copies.

    Args:
        model: the student, any video classifier of transformers, before it is wrapped for distributed training.
        norm: `"batch"` or `"running"`.
    """

    def __init__(self, model: nn.Module, norm: str = "batch") -> None:
        self.encoder = copy_encoder(model).eval().requires_grad_(False)
        if norm == "batch":
            for module in self.encoder.modules():
                if isinstance(module, _BatchNorm):
                    module.train()
                    module.track_running_stats = False

    @torch.no_grad()
    def __call__(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Features `(clips, dim)` of the clips that the student sees."""
        return logits_of(self.encoder(**inputs)).flatten(1)

    def copy_from(self, student: nn.Module) -> None:
        """Take over the student's encoder as it stands, parameters and buffers (Algorithm 1, begin of an epoch)."""
        take_over(self.encoder, student)

    @torch.no_grad()
    def average_with(self, student: nn.Module, decay: float) -> None:
        """One step of the exponential moving average: θ' ← decay·θ' + (1 − decay)·θ; buffers are copied."""
        source = student.state_dict()
        parameters = dict(self.encoder.named_parameters())
        for name, tensor in self.encoder.state_dict().items():
            new = whole(source[name])
            tensor.lerp_(new, 1.0 - decay) if name in parameters else tensor.copy_(new)
        share_buffers(self.encoder)

    def save(self, folder: str | Path) -> None:
        """Write `teacher.safetensors` into a checkpoint."""
        save_file({k: v.contiguous() for k, v in self.encoder.state_dict().items()}, Path(folder) / TEACHER_NAME)

    @torch.no_grad()
    def load(self, folder: str | Path) -> None:
        """Restore the teacher from a checkpoint.

        Raises:
            ValueError: `teacher.safetensors` is missing, damaged or of another architecture.
        """
        file = Path(folder) / TEACHER_NAME
        mine = self.encoder.state_dict()
        try:
            saved = load_file(file)
            for name, tensor in mine.items():
                tensor.copy_(saved[name])
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise ValueError(
                f"the teacher can't be restored from {file} ({type(error).__name__}: {error}); resume from another "
                "checkpoint, or start anew from this one's weights with --model_name_or_path"
            ) from error
