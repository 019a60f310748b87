"""Callbacks that refresh the teacher and warn about collapsed features."""

from __future__ import annotations

import logging
import math
from typing import Any

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState

from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.self_distillation.teacher import Teacher
from hf_selfdistill.self_distillation.terms import LossTerms

__all__ = ["ClearTermsCallback", "CollapseWarningCallback", "TeacherRefreshCallback"]

logger = logging.getLogger(__name__)

COLLAPSED = 0.05  # features count as collapsed below this share of the first feature_std


class TeacherRefreshCallback(TrainerCallback):
    """Callback that copies the student's encoder to the teacher at the beginning of every epoch (Algorithm 1).

    `on_epoch_begin` is also called when a run resumes within an epoch. The student has then changed since the epoch
    began, and the teacher restored from the checkpoint must stay.

    Args:
        teacher: the teacher to refresh as the argument `teacher_update` says.
    """

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self._resumes_within_an_epoch = False

    def on_train_begin(
        self, args: SelfDistillationArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Detect a resume within an epoch, and warn if the distance would always be 0."""
        self._resumes_within_an_epoch = not float(state.epoch).is_integer()
        if state.max_steps == 1:
            return
        if args.teacher_update == "steps" and args.teacher_update_steps == 1:
            logger.warning(
                "`teacher_update_steps` is 1, so the teacher always equals the student and has no effect. Raise it, "
                "or set `teacher_update` to 'epoch'."
            )
        if args.teacher_update == "epoch" and state.max_steps <= state.num_train_epochs:
            logger.warning(
                "An epoch has a single step, so the teacher always equals the student and has no effect. Lower "
                "`per_device_train_batch_size` (now %d), or set `teacher_update` to 'frozen'.",
                args.per_device_train_batch_size,
            )

    def on_epoch_begin(
        self,
        args: SelfDistillationArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module,
        **kwargs: Any,
    ) -> None:
        """Copy the student before the first step of the run and, with `"epoch"`, of every epoch."""
        resumes, self._resumes_within_an_epoch = self._resumes_within_an_epoch, False
        if state.global_step == 0 or (args.teacher_update == "epoch" and not resumes):
            self.teacher.copy_from(model)

    def on_step_end(
        self,
        args: SelfDistillationArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module,
        **kwargs: Any,
    ) -> None:
        """Copy the student every `teacher_update_steps` steps, or average with it every step."""
        if args.teacher_update == "steps" and state.global_step % args.teacher_update_steps == 0:
            self.teacher.copy_from(model)
        elif args.teacher_update == "ema":
            self.teacher.average_with(model, args.teacher_ema_decay)


class CollapseWarningCallback(TrainerCallback):
    """Callback that warns once if the features collapse to a constant or a loss is not finite.

    Neither is visible in the loss curve: collapsed features have no distance, and the Trainer logs NaN as 0.
    """

    def __init__(self) -> None:
        self.warned = False

    def on_log(
        self,
        args: SelfDistillationArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **kwargs: Any,
    ) -> None:
        """Compare `feature_std` with its first value in the run, and check that the losses are finite."""
        if self.warned or "feature_std" not in logs:
            return
        first = next((log["feature_std"] for log in state.log_history if "feature_std" in log), logs["feature_std"])
        finite = all(math.isfinite(logs[name]) for name in ("ce_loss", "distill_loss", "feature_std") if name in logs)
        if finite and logs["feature_std"] >= COLLAPSED * first:
            return
        self.warned = True
        if state.is_world_process_zero:
            logger.warning(
                "%s at step %d: the model no longer distinguishes clips. Lower `distill_weight` (now %g) or "
                "`learning_rate` (now %g), set `max_grad_norm` to 1.0 (now %g), or set `distill_scale` to 'unit'.",
                f"The features' standard deviation fell from {first:.3g} to {logs['feature_std']:.3g}"
                if finite
                else "A loss is not finite",
                state.global_step,
                args.distill_weight,
                args.learning_rate,
                args.max_grad_norm,
            )


class ClearTermsCallback(TrainerCallback):
    """Callback that discards the loss terms of an attempt that ran out of memory (`auto_find_batch_size`).

    Args:
        terms: the loss terms since the last log.
    """

    def __init__(self, terms: LossTerms) -> None:
        self.terms = terms

    def on_train_begin(
        self, args: SelfDistillationArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Discard the terms of an earlier attempt."""
        self.terms.clear()
