"""Algorithm 1 of Zhou et al. (arXiv 2205.00506) as a transformers Trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from accelerate.utils import find_batch_size
from torch import nn
from transformers import PreTrainedModel
from transformers.trainer_utils import has_length

from hf_selfdistill.data.clips import UNREADABLE
from hf_selfdistill.data.origin import is_video_dataset
from hf_selfdistill.models.features import FeatureTap, last_layer
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.self_distillation.callbacks import (
    ClearTermsCallback,
    CollapseWarningCallback,
    TeacherRefreshCallback,
)
from hf_selfdistill.self_distillation.description import describe_method
from hf_selfdistill.self_distillation.loss import ClassificationLoss, self_distillation_loss
from hf_selfdistill.self_distillation.teacher import Teacher
from hf_selfdistill.self_distillation.terms import LossTerms
from hf_selfdistill.self_distillation.variance import FeatureVariance
from hf_selfdistill.training.classification import ClassificationTrainer
from hf_selfdistill.training.clips import balanced_class_weights

__all__ = ["SelfDistillationTrainer"]


class SelfDistillationTrainer(ClassificationTrainer):
    """Fine-tunes any Hugging Face video classifier without letting its encoder drift far from what it was.

    Algorithm 1, for each epoch t: the teacher becomes a frozen copy of the encoder (`TeacherRefreshCallback`); each
    step minimises L = CE(g(f_θ(x)), y) + λ·D(f_θ(x), f_θ'(x)) (`compute_loss`, Eq. 3). The teacher is in no optimizer
    and in no saved model; checkpoints carry it as `teacher.safetensors`, so that a resumed run is the same run.

    Logs `ce_loss` (mean over the clips with a label), `distill_loss` (D, unweighted, mean over all clips) and
    `feature_std` beside the Trainer's own. A clip labelled −100 has no cross-entropy, but a distance as any other.
    Labels as floats (class probabilities, several labels, regression) take the model's own loss.

    With `save_strategy="steps"` callbacks see `on_save` of an epoch's last step after `on_epoch_end` and
    `on_evaluate`; transformers' Trainer saves first.

    Takes raw videos or finished clips, and the arguments of `ClassificationTrainer`.

    Args:
        model: a video classifier whose last layer is named `classifier`, or the name of one.
        args: the training arguments and the method's own.
        train_dataset: raw videos or finished clips.
        compute_loss_func: replaces the cross-entropy; as in `Trainer`, it divides by `num_items_in_batch`.
        teacher_model: a classifier whose encoder teaches instead of the student's own past; it is never renewed.
        kwargs: further arguments of `ClassificationTrainer`.

    Raises:
        ValueError: the model has no layer named `classifier`, the teacher's features have another size, or epochs are
            asked for of a data set without a length.
    """

    args: SelfDistillationArguments

    def __init__(
        self,
        model: PreTrainedModel | nn.Module | str | None = None,
        args: SelfDistillationArguments | None = None,
        train_dataset: Any = None,
        compute_loss_func: Callable[..., torch.Tensor] | None = None,
        teacher_model: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        args = args or SelfDistillationArguments("tmp_trainer")
        if compute_loss_func is None:
            balanced = args.class_weights == "balanced" and is_video_dataset(train_dataset)
            weights = balanced_class_weights(train_dataset) if balanced else None
            compute_loss_func = ClassificationLoss(weights, args.label_smoothing_factor)
        if teacher_model is not None and (args.distill_weight == 0 or args.teacher_update != "frozen"):
            raise ValueError(
                f"`teacher_model` is never renewed and needs a weight; set `teacher_update` to 'frozen' (now "
                f"{args.teacher_update!r}) and `distill_weight` above 0 (now {args.distill_weight:g})"
            )
        super().__init__(model, args, train_dataset, compute_loss_func=compute_loss_func, **kwargs)
        self.teacher_model = teacher_model
        self.terms = LossTerms()
        self.clips_of_step: int | None = None  # of this process; None outside of `train`
        self.method: dict[str, str] = {}  # what the card says of a rival of self-distillation
        self.add_callback(ClearTermsCallback(self.terms))
        self.add_callback(CollapseWarningCallback())
        self._attach()

    def _attach(self) -> None:
        """Observe the features of the model, and copy the teacher from it."""
        # The copy is taken before the features are tapped, and now because FSDP2 forbids copying a sharded model.
        self.teacher = self._make_teacher(self.teacher_model) if self.args.distill_weight > 0 else None
        self.pop_callback(TeacherRefreshCallback)
        self.pop_callback(FeatureVariance)
        self.variance = FeatureVariance() if self.teacher and self.args.distill_scale == "variance" else None
        if self.teacher is not None and self.teacher_model is None:
            self.add_callback(TeacherRefreshCallback(self.teacher))
        if self.variance is not None:
            self.add_callback(self.variance)
        parts = {"teacher": self.teacher, "variance": self.variance}
        self.checkpointed = {name: part for name, part in parts.items() if part is not None}
        self.student_features = FeatureTap(self.model)

    def _hp_search_setup(self, trial: Any) -> None:
        super()._hp_search_setup(trial)
        if self.model_init is not None:  # `train` has made another model, and a trial can set another λ
            self._attach()

    def _make_teacher(self, other: nn.Module | None) -> Teacher:
        if (
            self.args.teacher_update == "epoch"
            and self.train_dataset is not None
            and not has_length(self.train_dataset)
        ):
            raise ValueError(
                f"`teacher_update` is 'epoch', but {type(self.train_dataset).__name__} has no length and no epochs; "
                "give it a length (hf_selfdistill.data.streaming.StreamedClips has one), or set `teacher_update` to "
                "'steps' and `teacher_update_steps`"
            )
        if other is not None and self.args.sync_batch_norm:
            other = nn.SyncBatchNorm.convert_sync_batchnorm(other)
        teacher = Teacher(self.model if other is None else other, self.args.teacher_norm)
        mine, its = last_layer(self.model).in_features, last_layer(other or self.model).in_features
        if mine != its:
            raise ValueError(f"the teacher's features have {its} dimensions and the student's {mine}; they must agree")
        teacher.to(self.args.device)
        if self.args.torch_compile:
            teacher.compile(backend=self.args.torch_compile_backend, mode=self.args.torch_compile_mode)
        return teacher

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """Eq. 3: cross-entropy plus λ times the distance to the teacher's features of the same clips."""
        inputs = dict(inputs)  # the Trainer takes the labels out
        loss, share, labelled, outputs = self._cross_entropy(model, inputs, num_items_in_batch)
        features = self.student_features.take()
        if model.training:
            ce, distance = loss.detach() / share, None
            if self.teacher is not None:
                inputs.pop("labels", None)
                with self.accelerator.autocast():
                    teacher_features = self.teacher(**inputs)
                variance = 1.0 if self.variance is None else self.variance.observe(teacher_features)
                unit = self.args.distill_scale == "unit"
                distance = self_distillation_loss(
                    features, teacher_features, self.args.distill_reduction, unit, variance
                )
                loss = loss + self.distill_weight * self._part_of_step(len(features)) * distance
            self.terms.add(ce, labelled, distance, features)
        return (loss, outputs) if return_outputs else loss

    def _cross_entropy(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None
    ) -> tuple[torch.Tensor, torch.Tensor | float, torch.Tensor | int, Any]:
        """Return this batch's part of the step's loss, its share of the step, its labelled clips, and the outputs."""
        labels, clips = inputs.get("labels"), find_batch_size(inputs)
        if self._is_for_model(labels):
            outputs = model(**inputs)
            loss, part = outputs["loss"] if isinstance(outputs, dict) else outputs[0], self._part_of_step(clips)
            return loss * part if model.training else loss, part, clips, outputs
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if isinstance(outputs, tuple):
            outputs = (loss, *outputs)  # evaluation drops the first one, which it takes for the loss
        labelled = self._labelled(labels, clips)
        return loss, self._share_of_step(labelled, num_items_in_batch), labelled, outputs

    def get_batch_samples(
        self, epoch_iterator: Iterator[dict[str, Any]], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], torch.Tensor | int | None]:
        """Count the clips of an optimiser step, over which the distance is a mean."""
        batches, num_items = super().get_batch_samples(epoch_iterator, num_batches, device)
        self.clips_of_step = sum(find_batch_size(batch) for batch in batches)
        return batches, num_items

    def _part_of_step(self, clips: int) -> torch.Tensor | float:
        return 1.0 if self.clips_of_step is None else torch.tensor(clips) / self.clips_of_step

    def _is_for_model(self, labels: torch.Tensor | None) -> bool:
        """Labels as floats that are not of mixed clips: class probabilities, several labels, regression."""
        soft = labels is not None and labels.is_floating_point() and not self.args.mixup_alpha
        return soft and isinstance(self.compute_loss_func, ClassificationLoss)

    def describe(self) -> dict[str, dict[str, str]]:
        """Add how the encoder is held."""
        return {"method": describe_method(self.args) | self.method, **super().describe()}

    @property
    def distill_weight(self) -> float:
        """λ at this step of its schedule."""
        progress = self.state.global_step / max(self.state.max_steps, 1)  # 0 outside of `train`
        return self.args.weight_at(progress)

    def _labelled(self, labels: torch.Tensor | None, clips: int) -> torch.Tensor | int:
        """Return the number of clips with a label."""
        if labels is None:
            return clips
        if labels.is_floating_point():
            return labels.sum() if self.args.mixup_alpha else clips
        return labels.ne(UNREADABLE).sum()

    def _share_of_step(
        self, labelled: torch.Tensor | int, num_items_in_batch: torch.Tensor | int | None
    ) -> torch.Tensor | float:
        """Return the weight of this batch's mean cross-entropy in the optimiser step: the Trainer's rule."""
        if num_items_in_batch is None:
            return 1.0
        ranks = self.accelerator.num_processes if self.args.average_tokens_across_devices else 1
        return labelled * ranks / num_items_in_batch

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the loss terms since the last log, averaged over all processes."""
        if "loss" in logs:
            logs |= self.terms.pop(self.accelerator)
            if self.args.distill_weight_schedule != "constant":
                logs["distill_weight"] = self.distill_weight
        super().log(logs, start_time)
