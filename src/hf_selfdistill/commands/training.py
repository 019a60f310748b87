"""What the commands that train have in common."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import HTTPError
from transformers import TrainingArguments

from hf_selfdistill.commands.run_files import ALL_RESULTS, FORGETTING, RESULTS, RETRIEVAL
from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.hub.card_tables import REPORT
from hf_selfdistill.training.uploads import UploadWarningCallback
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = [
    "DEFAULTS",
    "MOST_USED",
    "check_whole_batch",
    "finish",
    "warn_of_overwriting",
    "watch_uploads",
]

logger = logging.getLogger(__name__)

DEFAULTS = {
    "logging_steps": 10,
    "save_strategy": "epoch",
    "save_total_limit": 2,
    "dataloader_pin_memory": torch.cuda.is_available(),
}

MEASURED_AFTERWARDS = (RESULTS, RETRIEVAL, FORGETTING, REPORT)

WRITTEN = ("*.safetensors", "config.json", "README.md", ALL_RESULTS, "trainer_state.json", "checkpoint-*")
"""What a run may write over or delete there."""

MOST_USED = (
    "output_dir",
    "num_train_epochs",
    "learning_rate",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "gradient_accumulation_steps",
    "optim",
    "optim_args",
    "weight_decay",
    "max_grad_norm",
    "bf16",
    "torch_compile",
    "eval_strategy",
    "save_strategy",
    "save_total_limit",
    "load_best_model_at_end",
    "resume_from_checkpoint",
    "dataloader_num_workers",
    "logging_steps",
    "report_to",
    "push_to_hub",
    "seed",
)


def check_whole_batch(videos: int, args: TrainingArguments) -> None:
    """Refuse fewer videos than one batch where ragged batches are dropped.

    Raises:
        ValueError: no batch would be left.
    """
    batch = args.per_device_train_batch_size * max(args.n_gpu, 1) * args.world_size
    if args.dataloader_drop_last and videos < batch:
        raise ValueError(
            f"{videos} training videos do not fill one batch of {batch}, and dataloader_drop_last drops the rest; "
            "lower --per_device_train_batch_size, or set --dataloader_drop_last false"
        )


def warn_of_overwriting(args: TrainingArguments) -> None:
    """Say what of a finished run lies in the output folder, unless this one goes on from a checkpoint."""
    folder = Path(str(args.output_dir))
    if args.resume_from_checkpoint is not None or not (folder / ALL_RESULTS).is_file():
        return
    written = [file for pattern in WRITTEN for file in sorted(folder.glob(pattern))]
    names = ", ".join(file.name for file in written)
    logger.warning("--output_dir %s holds a finished run, of which this one overwrites %s", folder, names)
    if stale := [name for name in MEASURED_AFTERWARDS if (folder / name).is_file()]:
        logger.warning("What was measured of it stays there until it is measured anew: %s", ", ".join(stale))


def watch_uploads(trainer: VideoTrainer) -> None:
    """Have uploads that fail while the run goes on said."""
    if trainer.args.push_to_hub and trainer.is_world_process_zero():
        trainer.add_callback(UploadWarningCallback(trainer))


def finish(
    trainer: VideoTrainer,
    unreadable: UnreadableVideosCallback,
    metrics: dict[str, Any],
    found: Callable[[], dict[str, Any]],
    what: str,
) -> None:
    """Save what was trained, evaluate it on the validation part, upload it where that is asked for, say where it is.

    Args:
        trainer: after its training.
        unreadable: which counts the videos that can't be read.
        metrics: of the training.
        found: what has come to light about the videos, asked for after the evaluation.
        what: was trained, in words.

    Raises:
        ValueError: too many videos can't be read, or the Hub did not take the upload; all is saved then.
    """
    trainer.save_without_upload()  # which comes last, when all is there
    trainer.save_state()
    if trainer.eval_dataset is not None:
        metrics |= trainer.evaluate()
    trainer.save_metrics("all", metrics | found())
    trainer.create_model_card()
    unreadable.check()
    if trainer.args.push_to_hub:
        _push(trainer)
    logger.info("The %s is in %s", what, Path(str(trainer.args.output_dir)).resolve())
    _end(trainer)


def _end(trainer: VideoTrainer) -> None:
    """The Trainer's end, and before it that of DDP, which would keep the group of the processes alive.

    Threads of the group that outlive the interpreter abort the process now and then: "terminate called without an
    active exception". A callback that knows its trainer is enough, both then go when the interpreter does.
    """
    trainer.model_wrapped = trainer.model
    trainer.accelerator.free_memory()
    gc.collect()
    trainer.end()


def _push(trainer: VideoTrainer) -> None:
    """Upload what lies in the output folder.

    Raises:
        ValueError: the Hub did not take it; it says how to upload it later.
    """
    try:
        trainer.push_to_hub()
    except (HTTPError, OSError, RuntimeError) as error:  # the last one where a large file is refused
        name, folder, reason = trainer.args.hub_model_id, trainer.args.output_dir, error.__cause__ or error
        raise ValueError(
            f"the upload to {name} failed ({reason}); the model is in {folder}, whole; once the Hub can be reached: "
            f"hf upload {name} {folder} --exclude 'checkpoint-*'"
        ) from error
