"""Loop of transformers' Trainer, adapted to video models."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, Trainer
from transformers.integrations import MLflowCallback
from transformers.trainer import SCHEDULER_NAME
from transformers.trainer_utils import EvalLoopOutput, TrainOutput

from hf_selfdistill.data.streaming import StreamedVideos
from hf_selfdistill.data.whole_files import without_nan
from hf_selfdistill.models.modeling_video_encoder import VideoEncoderPreTrainedModel
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.buffers import share_buffers
from hf_selfdistill.training.epoch_end import SaveAfterEpochCallback
from hf_selfdistill.training.manifest import write_manifest
from hf_selfdistill.training.progress import show_epochs
from hf_selfdistill.training.schedule import epoch_schedule
from hf_selfdistill.training.signals import StopOnSignalCallback
from hf_selfdistill.training.trackers import AlikeMLflowCallback, check_trackers

__all__ = ["TrainingLoop"]

logger = logging.getLogger(__name__)


class TrainingLoop(Trainer):
    """Trainer with learning rates by epoch, whole validation sets, streams, and BatchNorm on several processes.

    With `save_strategy="steps"` the checkpoint of an epoch's last step is saved after the end-of-epoch evaluation:
    `on_save` follows `on_epoch_end` and `on_evaluate`. transformers' Trainer saves first.

    Args:
        model: a video classifier, or an encoder with the heads of an objective.
        args: the training arguments.
        kwargs: further arguments of `Trainer`.

    Raises:
        ValueError: one process sees more than one GPU, processes without GPUs would each train alone, BatchNorm is to
            be synchronised between them, or the package of a tracker is missing.
    """

    args: VideoTrainingArguments
    model: Any
    train_dataset: Any
    eval_dataset: Any
    compute_metrics: Any
    preprocess_logits_for_metrics: Any
    compute_loss_func: Any

    def __init__(self, model: PreTrainedModel | nn.Module | None, args: VideoTrainingArguments, **kwargs: Any) -> None:
        _check_devices(args)
        check_trackers(args)
        if args.sync_batch_norm and model is not None:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        super().__init__(model, args, **kwargs)
        self.first_weights: dict[str, torch.Tensor] | None = None  # for another attempt with a smaller batch
        self.checkpointed: dict[str, Any] = {}  # further state of checkpoints: `save(folder)` and `load(folder)`
        self.signals, self.diverged, self.said = StopOnSignalCallback(), torch.tensor(False), False
        self.add_callback(self.signals)  # before the callback that can postpone the checkpoint
        self.add_callback(SaveAfterEpochCallback())
        if args.log_format == "table":
            show_epochs(self)
        if self.pop_callback(MLflowCallback) is not None:
            self.add_callback(AlikeMLflowCallback)
        if self.is_fsdp_enabled:
            # Mixed precision is autocast alone. With weights cast by FSDP, the features of a student and its teacher
            # would differ at equal weights, and BatchNorm does not accept such weights.
            self.accelerator.state.fsdp_plugin.mixed_precision_policy = None
            self.model.to(memory_format=torch.contiguous_format)  # FSDP2 does not shard channels-last weights

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Train; SIGTERM, SIGINT and SIGHUP end the run with a checkpoint and the exit code 143, 130 or 129.

        Raises:
            ValueError: the loss is not finite and `on_nan` is `"stop"`.
        """
        self.first_weights, self.said = None, False
        self.diverged = torch.tensor(False, device=self.args.device)
        with self.signals.handled():
            return super().train(*args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Compute a step and note whether its loss is finite, without waiting for the device."""
        loss = super().training_step(*args, **kwargs)
        self.diverged |= ~loss.isfinite().all()
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, after a check that the losses of the training were finite."""
        if "loss" in logs or "train_loss" in logs:
            self._check_finite()
        super().log(logs, start_time)

    def _check_finite(self) -> None:
        if self.said or not self.accelerator.gather(self.diverged.int()[None]).any():
            return
        self.said = True
        message = (
            f"The loss is not finite at step {self.state.global_step}: the run has diverged. Lower `learning_rate` "
            f"(now {self.args.learning_rate:g}) and λ if there is one, or clip gradients (`max_grad_norm` 1.0, now "
            f"{self.args.max_grad_norm:g})"
        )
        if self.args.on_nan == "stop":
            raise ValueError(f"{message}; earlier checkpoints are kept; to continue all the same, set `on_nan` warn")
        if self.is_world_process_zero():
            logger.warning("%s. The Trainer logs such a loss as 0.", message)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        self._check_finite()
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()  # each process writes its random state
        if self.args.should_save:
            folder = self.args.output_dir if trial is None else self._get_output_dir(trial)
            write_manifest(Path(str(folder)) / f"checkpoint-{self.state.global_step}")

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if self.args.should_save:
            for part in self.checkpointed.values():
                part.save(output_dir)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        folder = Path(checkpoint or "")
        saved = (folder / SCHEDULER_NAME).is_file() and any(folder.glob("optimizer*"))
        if checkpoint is not None and not (saved or self.is_deepspeed_enabled):
            raise ValueError(
                f"{checkpoint} lacks optimizer.pt or {SCHEDULER_NAME}, without which the run would be another one; "
                "resume from a checkpoint saved without `save_only_model`"
            )
        try:
            super()._load_optimizer_and_scheduler(checkpoint)
        except (EOFError, OSError, RuntimeError, UnpicklingError) as error:
            raise ValueError(
                f"optimizer and scheduler can't be restored from {checkpoint} ({' '.join(str(error).split())}); "
                "resume from another checkpoint"
            ) from error
        if checkpoint is not None:
            for part in self.checkpointed.values():
                part.load(checkpoint)

    def save_metrics(self, split: str, metrics: dict[str, Any], combined: bool = True) -> None:
        """Save metrics as JSON, with null in place of values that are not finite."""
        super().save_metrics(split, without_nan(metrics), combined)

    def save_without_upload(self, folder: str | None = None) -> None:
        """Save the model, by default into the output folder, without the upload that `push_to_hub` adds."""
        self.save_model(folder, _internal_call=True)

    def autocast_smart_context_manager(self, cache_enabled: bool | None = True) -> AbstractContextManager[Any]:
        """Return the autocast context of the student's forward pass and the loss; only FSDP2 needs it here.

        Without FSDP2, Accelerate applies mixed precision automatically.
        """
        return self.accelerator.autocast() if self.is_fsdp_enabled else nullcontext()

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Create the optimiser; every attempt of `auto_find_batch_size` begins with the weights of the first."""
        if self.args.auto_find_batch_size and not self.is_fsdp_enabled:
            if self.first_weights is None:
                self.first_weights = {name: value.cpu().clone() for name, value in self.model.state_dict().items()}
            else:
                self.model.load_state_dict(self.first_weights)
                self.optimizer.state.clear()
        return super().create_optimizer(model)

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Create the Trainer's scheduler, or the one of `epoch_lr_schedule`, which is constant within each epoch."""
        name = self.args.epoch_lr_schedule
        if name == "none":
            return super().create_scheduler(num_training_steps, optimizer)
        optimizer = optimizer or self.optimizer
        self.lr_scheduler = epoch_schedule(name, optimizer, num_training_steps, self.args.num_train_epochs)
        return self.lr_scheduler

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Return all parameters of C3D and R(2+1)D, as in released recipes; for other models the Trainer's choice."""
        if not isinstance(model, VideoEncoderPreTrainedModel):
            return super().get_decay_parameter_names(model)
        return [name for name, _ in model.named_parameters()]

    def get_train_dataloader(self) -> DataLoader:
        """Return the loader; each process reads its own shards of a stream.

        With Accelerate's loader one process would read for all.
        """
        if not isinstance(self.train_dataset, StreamedVideos):
            return super().get_train_dataloader()
        return DataLoader(
            self.train_dataset.part(self.args.process_index, self.args.world_size),
            batch_size=self.args.train_batch_size,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
            persistent_workers=self.args.dataloader_persistent_workers,
            prefetch_factor=self.args.dataloader_prefetch_factor,
            drop_last=self.args.dataloader_drop_last,
        )

    def num_examples(self, dataloader: DataLoader) -> int:
        """Return the number of clips of an epoch, over all processes."""
        if isinstance(dataloader.dataset, StreamedVideos):
            return len(self.train_dataset)
        return super().num_examples(dataloader)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Return a loader of all clips, not only of whole batches."""
        with self._whole_data_set():
            return super().get_eval_dataloader(eval_dataset)

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader:
        """Return a loader of all clips, not only of whole batches."""
        with self._whole_data_set():
            return super().get_test_dataloader(test_dataset)

    @contextmanager
    def _whole_data_set(self) -> Iterator[None]:
        # Recipes set `dataloader_drop_last` for training batches, but the Trainer also applies it to evaluation.
        drop_last, self.args.dataloader_drop_last = self.args.dataloader_drop_last, False
        try:
            yield
        finally:
            self.args.dataloader_drop_last = drop_last

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Create the repository, and set `hub_model_id` to its full name with the owner, for the card."""
        super().init_hf_repo(token, private)
        if self.is_world_process_zero():
            self.args.hub_model_id = self.hub_model_id

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if not self._load_weights(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        if not self._load_weights(self.state.best_model_checkpoint):
            super()._load_best_model()

    def _load_weights(self, checkpoint: str | None) -> bool:
        # `save_pretrained` writes some weights under older names (VideoMAE's biases of query and value). The Trainer
        # does not find them, `from_pretrained` does. https://github.com/huggingface/transformers/issues/48805
        if not isinstance(self.model, PreTrainedModel) or self.is_fsdp_enabled or self.is_deepspeed_enabled:
            return False
        saved = type(self.model).from_pretrained(checkpoint, dtype=self.model.dtype)
        self.model.load_state_dict(saved.state_dict())
        return True

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Evaluate with the saved model's BatchNorm statistics, those of rank 0, on every process."""
        share_buffers(self.model)
        return super().evaluation_loop(*args, **kwargs)

    def end(self) -> None:
        """Release DDP and the process group before the interpreter ends.

        If the threads of the group outlive the interpreter, they sometimes abort the process: "terminate called
        without an active exception". A callback with a reference to its trainer is enough to keep both alive.
        """
        self.model_wrapped = self.model
        self.accelerator.free_memory()
        gc.collect()
        super().end()


def _check_devices(args: VideoTrainingArguments) -> None:
    if args.n_gpu > 1:
        raise ValueError(
            f"one process sees {args.n_gpu} GPUs, and torch.nn.DataParallel does not support features; start with "
            "`accelerate launch` to use all GPUs, or set CUDA_VISIBLE_DEVICES=0 to use one"
        )
    if torch.distributed.is_initialized() and torch.distributed.get_world_size() > args.world_size:
        raise ValueError(
            f"{torch.distributed.get_world_size()} processes were started, but no GPUs were found and each process "
            "would train alone; set `use_cpu` to train together without GPUs"
        )
    if args.sync_batch_norm and args.world_size > 1 and args.device.type == "cpu":
        raise ValueError(
            f"`sync_batch_norm` is set for {args.world_size} processes without GPUs, but torch.nn.SyncBatchNorm needs "
            "GPUs; omit it"
        )
