"""When the teacher is renewed, and the warning that training has collapsed."""

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

COLLAPSED = 0.05  # of the first feature_std: the share below which the features are said to have collapsed


class TeacherRefreshCallback(TrainerCallback):
    """Algorithm 1: at the beginning of every epoch the teacher becomes the student's encoder as it stands.

    `on_epoch_begin` also fires when a run resumes in the middle of an epoch, where the student is no longer what the
    teacher was copied from: there the teacher comes from the checkpoint and must be left alone.

    Args:
        teacher: the teacher to renew, as `teacher_update` of the arguments says.
    """

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self._resumes_within_an_epoch = False

    def on_train_begin(
        self, args: SelfDistillationArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Learn whether the run resumes, and where; warn where the method does nothing."""
        self._resumes_within_an_epoch = not float(state.epoch).is_integer()
        if args.teacher_update == "epoch" and 1 < state.max_steps <= state.num_train_epochs:
            logger.warning(
                "An epoch is a single step: the teacher is renewed before each and distils nothing. Lower "
                "--per_device_train_batch_size (now %d), or let the teacher stay: --teacher_update frozen.",
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
        """Copy the student at the first step of the run and, with `"epoch"`, of every epoch."""
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
    """Warns once when the features collapse to a constant or a loss is no longer finite.

    Neither shows in the loss curve: collapsed features make the distance vanish, and the Trainer logs NaN as 0.
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
        """Compare `feature_std` with its first value of the run, and look for losses that are not finite."""
        if self.warned or "feature_std" not in logs:
            return
        first = next((log["feature_std"] for log in state.log_history if "feature_std" in log), logs["feature_std"])
        finite = all(math.isfinite(logs[name]) for name in ("ce_loss", "distill_loss", "feature_std") if name in logs)
        if finite and logs["feature_std"] >= COLLAPSED * first:
            return
        self.warned = True
        if state.is_world_process_zero:
            logger.warning(
                "%s at step %d: the model no longer tells clips apart. Lower --distill_weight (now %g) or "
                "--learning_rate (now %g), clip gradients (--max_grad_norm 1.0, now %g), or set --distill_normalize.",
                f"the features' standard deviation fell from {first:.3g} to {logs['feature_std']:.3g}"
                if finite
                else "a loss is not finite",
                state.global_step,
                args.distill_weight,
                args.learning_rate,
                args.max_grad_norm,
            )


class ClearTermsCallback(TrainerCallback):
    """Forgets the loss terms of an attempt that ran out of memory, with `auto_find_batch_size`.

    Args:
        terms: the terms since the last log.
    """

    def __init__(self, terms: LossTerms) -> None:
        self.terms = terms

    def on_train_begin(
        self, args: SelfDistillationArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin every attempt without terms."""
        self.terms.clear()
