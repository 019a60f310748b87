"""PS-KD: soft targets from the model of the last epoch (Kim et al., ICCV 2021, arXiv 2006.12000)."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.clips import UNREADABLE
from hf_selfdistill.models.features import logits_of
from hf_selfdistill.training.encoder_copy import take_over
from hf_selfdistill.training.module_state import ModuleState
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["PastTargetsCallback"]


class PastTargetsCallback(TrainerCallback):
    """Callback for L = CE((1 − α_t)·y + α_t·p'(x), p(x)) with α_t = α · t / T in epoch t of T.

    p' are the class probabilities of the same clips under the model at the end of epoch t − 1, head included, in
    evaluation mode. The first epoch has no past, so its targets are y.

    Args:
        trainer: the trainer before training; its `compute_loss_func` gets the soft targets.
        weight: α, 0.8 in the paper.
    """

    def __init__(self, trainer: VideoTrainer, weight: float) -> None:
        self.trainer, self.weight, self.loss = trainer, weight, trainer.compute_loss_func
        self.teacher = copy.deepcopy(trainer.model).eval().requires_grad_(False)
        self.past: Tensor | None = None  # probabilities of the clips of this batch
        self.tap: Any = None
        trainer.compute_loss_func = self.compute_loss
        trainer.checkpointed["past targets"] = ModuleState(self.teacher, "last_epoch.safetensors")

    @property
    def share(self) -> float:
        """α_t, and 0 in the first epoch."""
        done, of = int(self.trainer.state.epoch or 0), self.trainer.state.num_train_epochs
        return self.weight * (done + 1) / of if done else 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Have the teacher see the clips of every training batch."""
        self.teacher.to(args.device)
        self.tap = self.tap or self.trainer.model.register_forward_pre_hook(self._look, with_kwargs=True)

    @torch.no_grad()
    def _look(self, model: nn.Module, args: tuple[Any, ...], inputs: dict[str, Any]) -> None:
        if model.training and self.share:
            with self.trainer.accelerator.autocast():
                self.past = logits_of(self.teacher(*args, **inputs)).float().softmax(1)

    def compute_loss(self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Return the cross-entropy with soft targets; without a past, with the labels."""
        past, self.past = self.past, None
        if past is not None:
            if not labels.is_floating_point():
                known = labels.flatten()
                labels = F.one_hot(known.clamp(min=0), past.shape[1]) * known.ne(UNREADABLE)[:, None]
            labels = torch.lerp(labels.float(), past * labels.sum(1, keepdim=True), self.share)
        return self.loss(outputs, labels, num_items_in_batch=num_items_in_batch)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: nn.Module, **kwargs: Any
    ) -> None:
        """Copy the model for the next epoch."""
        take_over(self.teacher, model)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Detach the teacher from the model."""
        self.tap.remove()
