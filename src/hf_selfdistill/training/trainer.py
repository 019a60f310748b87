"""The base of our trainers: runs that find their checkpoint and leave model, record and card."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Literal

import datasets
from filelock import FileLock, Timeout
from huggingface_hub.errors import HTTPError
from torch import nn
from transformers import PreTrainedModel, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import TrainOutput

from hf_selfdistill.data.callbacks import EpochCallback, UnreadableVideosCallback
from hf_selfdistill.data.clips import VideoClips
from hf_selfdistill.data.origin import hash_of_videos
from hf_selfdistill.training.arguments import VideoTrainingArguments, check_evaluation, check_metric, given_values
from hf_selfdistill.training.card import write_card
from hf_selfdistill.training.checkpoints import (
    changed_parameters,
    check_same_data,
    checkpoint_to_resume,
    find_checkpoint,
)
from hf_selfdistill.training.curves import draw_curves
from hf_selfdistill.training.description import describe_hyperparameters
from hf_selfdistill.training.facts import model_facts
from hf_selfdistill.training.loop import TrainingLoop
from hf_selfdistill.training.record import RECORD, Input, RunRecord, hash_of_model, kept_warnings, software
from hf_selfdistill.training.uploads import CardCallback, UploadWarningCallback

__all__ = ["VideoTrainer"]

logger = logging.getLogger(__name__)


class VideoTrainer(TrainingLoop):
    """A Trainer that keeps a record of its run.

    A subclass that is given raw videos calls `manage`. From then on a training is a *managed run*: `train` finds the
    checkpoint to resume from, and leaves the model, the record `run.json` and the model card in the output folder.

    Args:
        model: a video classifier, or an encoder with the heads of an objective.
        args: the training arguments.
        record: record of the run, with its config; by default the trainer begins one.
        kwargs: further arguments of `Trainer`.

    Raises:
        ValueError: `TrainingLoop` refuses the arguments.
    """

    args: VideoTrainingArguments
    task: ClassVar[Literal["finetune", "pretrain"]] = "finetune"

    def __init__(
        self,
        model: PreTrainedModel | nn.Module | None,
        args: VideoTrainingArguments,
        record: RunRecord | None = None,
        **kwargs: Any,
    ) -> None:
        check_evaluation(args, kwargs.get("eval_dataset"))
        super().__init__(model, args, **kwargs)
        self.record = record or RunRecord(self.task)
        self.unreadable: UnreadableVideosCallback | None = None
        self.found: dict[str, Any] = {}  # what callbacks have measured, for the metrics of the record

    def manage(
        self, videos: Mapping[str, datasets.Dataset], encoder: PreTrainedModel, name: str | None, *others: VideoClips
    ) -> None:
        """Make every training a managed run; the trainer's data sets are clips by now.

        Args:
            videos: maps each part that is used, or held out for a test, to its raw videos.
            encoder: the model that the record describes.
            name: name of the model that training begins with, if the trainer was given one.
            others: further clips that are read while the run goes on.
        """
        watched = [
            clips for clips in (self.train_dataset, self.eval_dataset, *others) if isinstance(clips, VideoClips)
        ]
        self.unreadable = UnreadableVideosCallback(*watched, most=self.args.max_unreadable)
        self.add_callback(self.unreadable)
        self.add_callback(CardCallback(self.write_record))
        if self.train_dataset is not None:
            self.add_callback(EpochCallback(self.train_dataset))
            _check_whole_batch(len(self.train_dataset), self.args)
        if self.args.push_to_hub and self.is_world_process_zero():
            self.add_callback(UploadWarningCallback(self))
        self.record.inputs |= {
            part: Input(hash_of_videos(records), len(records)) for part, records in videos.items() if len(records)
        }
        named = {"model_name_or_path": name} if name else {}
        self.record.config = self.record.config or given_values(self.args) | named
        given = self.record.config.get("model_name_or_path")
        self.record.model |= model_facts(encoder, self.processing_class, given)

    def train(self, resume_from_checkpoint: str | bool | None = None, trial: Any = None, **kwargs: Any) -> TrainOutput:
        """Train; of a managed run the arguments say what to resume from, and its model is saved at the end.

        Raises:
            ValueError: there is no such checkpoint, or it does not belong to the run.
        """
        given = resume_from_checkpoint
        if isinstance(given, bool):
            given = str(given).lower()
        if self.unreadable is None or trial is not None:
            found = None if given in (None, "false") else find_checkpoint(given, Path(str(self.args.output_dir)))
            return super().train(None if found is None else str(found), trial, **kwargs)
        self.args.resume_from_checkpoint = given or self.args.resume_from_checkpoint
        with self._lock(), kept_warnings(self.record.warnings):
            checkpoint = checkpoint_to_resume(self.args, self.model.config, self._adapters())
            self.accelerator.wait_for_everyone()  # all processes read the earlier record before it is written
            self._begin_record(checkpoint)
            try:
                output = super().train(checkpoint, **kwargs)
            except SystemExit:  # after a signal
                self.record.status = "interrupted"
                self.write_record()
                raise
            self._finish(output.metrics)
        return output

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep other runs out of the output folder."""
        folder = Path(str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        # The Trainer uploads no file whose name begins with _.
        lock = FileLock(folder / "_run.lock", blocking=False) if self.is_world_process_zero() else nullcontext()
        with ExitStack() as stack:
            try:
                stack.enter_context(lock)
            except Timeout:
                raise ValueError(
                    f"`output_dir` {folder} is in use by another run; wait for its end, or name another folder"
                ) from None
            yield

    def _begin_record(self, checkpoint: str | None) -> None:
        """Write the record of a run that begins, or that continues from a checkpoint."""
        self._began = time.monotonic()
        self.record.software, self.record.status, self.record.wall_seconds = software(), "running", 0.0
        before = RunRecord.load(Path(checkpoint).parent if checkpoint else str(self.args.output_dir))
        if before is not None:
            self.record.results = before.results  # stale from now on, unless the weights stay
        if checkpoint is not None:
            self._continue_record(checkpoint, before)
        if self.is_world_process_zero():
            self.record.save(str(self.args.output_dir))

    def _continue_record(self, checkpoint: str, before: RunRecord | None) -> None:
        """Compare a resumed run with its record, and add to it."""
        state = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE_NAME))
        if before is None:
            message = "%s has no %s beside it: videos and parameters can't be compared with those of its run"
            logger.warning(message, checkpoint, RECORD)
        else:
            check_same_data(before, self.record)
            self.record.warnings[:0] = before.warnings
            self.record.wall_seconds = before.wall_seconds
            self.record.changes = [*before.changes, *changed_parameters(before, self.record, state.global_step)]
        epochs = self.args.num_train_epochs
        if self.args.max_steps <= 0 and (state.epoch or 0) >= epochs:
            message = "`num_train_epochs` is %g, but %s has done %g epochs: nothing is trained"
            logger.warning(message, epochs, checkpoint, state.epoch)

    def _finish(self, metrics: dict[str, Any]) -> None:
        """Save the model, evaluate it on the validation part, write record and card, and upload the folder.

        Raises:
            ValueError: too many videos can't be read, or the upload failed; everything is saved then.
        """
        assert self.unreadable is not None
        if self._adapters() is not None:
            self.model = self.model.merge_and_unload()  # a plain model is saved and evaluated
        self.save_without_upload()  # the upload comes last, when everything is there
        self.save_state()
        if self.eval_dataset is not None:
            metrics |= self.evaluate()
        metrics |= self.findings()
        self.save_metrics("all", metrics)
        self.record.metrics, self.record.status = metrics, "finished"
        self.create_model_card()
        self.unreadable.check()
        if self.args.push_to_hub:
            self._push()
        logger.info("The model is in %s", Path(str(self.args.output_dir)).resolve())

    def check_metric(self, names: Iterable[str]) -> None:
        """Refuse to choose the best model by a metric that an evaluation does not measure.

        Raises:
            ValueError: `metric_for_best_model` is neither the loss nor one of the names.
        """
        check_metric(self.args, names)

    def findings(self) -> dict[str, Any]:
        """Return what training found out about the videos, over all processes; a collective call."""
        assert self.unreadable is not None
        return {"unreadable": self.unreadable.failures(), **self.found}

    def describe(self) -> dict[str, dict[str, str]]:
        """Return tables that describe the training, by title: name → value as text."""
        return {"hyper-parameter": describe_hyperparameters(self.args, self.state)}

    def write_record(self, folder: str | Path | None = None) -> None:
        """Write record and card into the output folder, or into the folder of a copy of the model."""
        if not self.is_world_process_zero():
            return
        target = Path(folder or str(self.args.output_dir))
        self.record.description = self.describe()
        self.record.progress = {
            "step": self.state.global_step,
            "max_steps": self.state.max_steps,
            "epoch": self.state.epoch or 0.0,
            "num_epochs": self.state.num_train_epochs,
        }
        now = time.monotonic()
        self.record.wall_seconds += now - self._began
        self._began = now
        record = self.record
        if folder is not None:
            record = dataclasses.replace(record, results=[], metrics={}, status="finished")
        if record.status == "finished":
            record.weights = hash_of_model(target)
        draw_curves(self.state.log_history, target)
        record.save(target)
        write_card(target, record)

    def save_copy(self, folder: Path) -> None:
        """Save the model as it stands into a folder of its own, with a record and a card."""
        self.save_without_upload(str(folder))
        if self.unreadable is not None:
            self.write_record(folder)

    def create_model_card(
        self,
        language: str | None = None,
        license: str | None = None,
        tags: str | list[str] | None = None,
        model_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Write record and card of a managed run; of another run, the Trainer's draft."""
        if self.unreadable is None:
            super().create_model_card(language, license, tags, model_name, **kwargs)
            return
        known: dict[str, Any] = {"language": language, "license": license, "model_name": model_name}
        known |= {"tags": [tags] if isinstance(tags, str) else tags, "hub_model_id": self.args.hub_model_id}
        self.record.card |= {name: value for name, value in known.items() if value is not None}
        self.write_record()

    def _push(self) -> None:
        """Upload the output folder.

        Raises:
            ValueError: the upload failed; the message says how to upload later.
        """
        try:
            self.push_to_hub()
        except (HTTPError, OSError, RuntimeError) as error:  # RuntimeError: a large file was refused
            name, folder, reason = self.args.hub_model_id, self.args.output_dir, error.__cause__ or error
            raise ValueError(
                f"the upload to {name} failed ({reason}); the whole model is in {folder}; when the Hub can be "
                f"reached: hf upload {name} {folder} --exclude 'checkpoint-*'"
            ) from error

    def _adapters(self) -> Any:
        """Return the configuration of LoRA adapters, None without adapters."""
        return getattr(self.model, "peft_config", {}).get("default")


def _check_whole_batch(videos: int, args: VideoTrainingArguments) -> None:
    batch = args.per_device_train_batch_size * max(args.n_gpu, 1) * args.world_size
    if args.dataloader_drop_last and videos < batch:
        raise ValueError(
            f"{videos} training videos do not fill one batch of {batch}, and `dataloader_drop_last` drops the rest; "
            "lower `per_device_train_batch_size`, or set `dataloader_drop_last` false"
        )
