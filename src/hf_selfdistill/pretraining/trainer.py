"""Self-supervised pre-training with transformers' Trainer."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import datasets
import torch
from torch import nn
from torch.utils.data import default_collate
from transformers import (
    BaseVideoProcessor,
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import EvalLoopOutput, TrainOutput

from hf_selfdistill.data.origin import origin_of
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips
from hf_selfdistill.models.loading import load_encoder, processor_of
from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.pretraining.metrics import MetricMeans
from hf_selfdistill.pretraining.objective import Objective
from hf_selfdistill.pretraining.objectives import OBJECTIVES
from hf_selfdistill.pretraining.samples import describe_short_videos, samples_of, streamed_failures
from hf_selfdistill.training.checkpoints import was_interrupted
from hf_selfdistill.training.citations import PRETRAINED_BY
from hf_selfdistill.training.clips import set_sampling
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["PretrainingTrainer"]


class PretrainingTrainer(VideoTrainer):
    """Trains an encoder on an objective, from videos without labels.

    What it saves, checkpoints too, is the encoder's folder for `from_pretrained`, with the objective's heads beside it
    in `objective.safetensors`. Logs the objective's metrics beside the Trainer's own.

    Args:
        model: an objective with its encoder; or an encoder, or its name (`c3d` or `r2plus1d` for random weights, a
            folder, or a name on the Hub), which gets the objective that `args.objective` names.
        args: the training arguments.
        train_dataset: raw videos (a `datasets.Dataset` with the column `video`, or a stream, which needs
            `args.clips_per_epoch`), or finished samples (`UnlabelledClips`, `StreamedUnlabelledClips`).
        eval_dataset: raw videos or finished samples.
        processing_class: video processor of the encoder; by default the one saved with it.
        objective_arguments: the objective's own arguments; by default its defaults.
        kwargs: further arguments of `Trainer`, and `record`.

    Raises:
        ValueError: the objective can't be trained on so many videos per step, or FSDP is asked for.
        OSError: there is no such encoder.
    """

    args: PretrainingArguments
    model: Objective
    task = "pretrain"

    def __init__(
        self,
        model: Objective | PreTrainedModel | str,
        args: PretrainingArguments,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: BaseVideoProcessor | None = None,
        objective_arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        name = model if isinstance(model, str) else None
        if isinstance(model, str):
            set_seed(args.seed)  # of random weights
            model, own = load_encoder(model)
            processing_class = processing_class or own
        if not isinstance(model, Objective):
            processing_class = processing_class or processor_of(model)
            setattr(model.config, PRETRAINED_BY, args.objective)  # for the cards of models made from the encoder
            kind = OBJECTIVES[args.objective]
            model = kind(model, objective_arguments or kind.Arguments())
        videos = {"train": train_dataset, "validation": eval_dataset}
        raw = isinstance(train_dataset, datasets.Dataset | datasets.IterableDataset)
        if raw:
            set_sampling(processing_class, args)
            views = model.views(processing_class)
            train_dataset, eval_dataset = (samples_of(part, views, args) for part in videos.values())
        if train_dataset is not None:
            model.fit_to_batch(args.train_batch_size, args.world_size)
            model.warn_of(len(train_dataset))
        args = copy.copy(args)  # the caller's keep the rate that was given, should they be used again
        args.learning_rate, args.learning_rate_batch_size = args.scaled_learning_rate, None
        super().__init__(
            model,
            args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            **{"data_collator": default_collate, **kwargs},
        )
        if self.is_fsdp_enabled:
            raise ValueError("`fsdp` is not supported in pre-training; use DDP (configs/accelerate/multi_gpu.yaml)")
        self.metrics = {True: MetricMeans(), False: MetricMeans()}  # in training, in evaluation
        self.last_logged: dict[str, float] = {}
        self.add_callback(_BeginStep(model))
        if raw:
            listed = {part: records for part, records in videos.items() if isinstance(records, datasets.Dataset)}
            origin = origin_of(listed["train"]) if listed else "a stream"
            self.record.model = {"videos": f"Videos of `{origin}`", **self.record.model}
            self.manage(listed, model.encoder, name)

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Train; a new run on a stream forgets what an earlier one found out about the videos."""
        resumes = any(args) or kwargs.get("resume_from_checkpoint") or self.args.resume_from_checkpoint
        resumes = resumes or was_interrupted(Path(str(self.args.output_dir)))
        if isinstance(self.train_dataset, StreamedUnlabelledClips) and self.train_dataset.findings and not resumes:
            with self.args.main_process_first(desc="clearing the findings of an earlier run"):
                if self.args.local_process_index == 0:
                    self.train_dataset.findings.clear()
        return super().train(*args, **kwargs)

    def describe(self) -> dict[str, dict[str, str]]:
        """Add the objective's arguments."""
        own = {name: str(value) for name, value in self.model.arguments_that_count().items()}
        return {f"`{self.model.name}`": own, **super().describe()}

    def findings(self) -> dict[str, Any]:
        """Return, over all processes, the unreadable videos and the number of short ones; a collective call."""
        clips = self.train_dataset
        streamed = isinstance(clips, StreamedUnlabelledClips)
        found = {"unreadable": streamed_failures(clips)} if streamed else super().findings()
        return found | {"short_videos": describe_short_videos(clips)}

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Every parameter, as in the released recipes."""
        return [name for name, _ in model.named_parameters()]

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """Return the objective's own loss and note its metrics."""
        output = model(**inputs)
        metrics = output.metrics
        if model.training:
            self.check_metric(metrics)  # before the first step of the optimizer
        else:  # videos that Accelerate repeats, so that processes have as many, are left out
            metrics = self.accelerator.gather_for_metrics(metrics)
        self.metrics[model.training].add(metrics)
        return (output.loss, output) if return_outputs else output.loss

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor | None, dict[str, torch.Tensor] | None, None]:
        """Loss and, for `predict`, the metrics of each video; there are no labels to compare with."""
        with torch.no_grad(), self.compute_loss_context_manager():
            _, output = self.compute_loss(model, self._prepare_inputs(inputs), return_outputs=True)
        return output.loss, None if prediction_loss_only else output.metrics, None

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """With the objective's metrics."""
        output = super().evaluation_loop(*args, **kwargs)
        prefix = kwargs.get("metric_key_prefix", "eval")
        metrics = self.metrics[False].pop(self.accelerator)
        output.metrics.update({f"{prefix}_{name}": value for name, value in metrics.items()})
        return output

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the metrics since the last log, averaged over all processes.

        At the end of the training those of the last log are among its results, as `train_<metric>`.
        """
        if "train_loss" in logs:
            logs |= {f"train_{name}": value for name, value in self.last_logged.items()}
        if "loss" in logs:
            self.last_logged = self.metrics[True].pop(self.accelerator)
            logs |= self.last_logged
        super().log(logs, start_time)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            self.model.encoder.save_pretrained(folder)
            self.model.save(folder)
            if self.processing_class is not None:
                self.processing_class.save_pretrained(folder)

    def _begin_record(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            self.model.check(checkpoint)  # before the record is written
        super()._begin_record(checkpoint)

    def _load_weights(self, checkpoint: str | None) -> bool:
        assert checkpoint is not None
        encoder = self.model.encoder
        encoder.load_state_dict(type(encoder).from_pretrained(checkpoint, dtype=encoder.dtype).state_dict())
        self.model.load(checkpoint)
        return True


class _BeginStep(TrainerCallback):
    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.objective.begin_step()
