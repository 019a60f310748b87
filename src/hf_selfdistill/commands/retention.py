"""Retention while a model is fine-tuned, as flags."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Optional

from transformers import BaseVideoProcessor, PreTrainedModel, Trainer, TrainingArguments

from hf_selfdistill.commands.datasets import DatasetArguments, SamplingArguments, testing_clips
from hf_selfdistill.commands.feature_tasks import gallery_and_queries
from hf_selfdistill.models.loading import FROM_SCRATCH
from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.data.splits import few_of_each_class, held_out_groups
from hf_selfdistill.evaluation.retention import RetentionCallback

__all__ = ["ReferenceArguments", "RetentionArguments", "reference_clips", "watch_retention"]

logger = logging.getLogger(__name__)


class UnreadableReferencesCallback(UnreadableVideosCallback):
    """Counts those of the reference set; a class of its own, as the Trainer wants one callback of each."""


@dataclass
class ReferenceArguments:
    """Reference set, to measure retention on."""

    reference_dataset: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "A data set as --dataset takes it, which the encoder knows something of."}
    )
    reference_root: Optional[str] = field(default=None, metadata={"help": "Its --dataset_root."})  # noqa: UP045
    reference_annotations: Optional[str] = field(default=None, metadata={"help": "Its --annotations."})  # noqa: UP045
    reference_split: int = field(default=1, metadata={"help": "Its --split."})

    def data(self) -> DatasetArguments:
        """The reference set, which must be given, as a data set."""
        assert self.reference_dataset is not None
        return DatasetArguments(
            self.reference_dataset, self.reference_root, self.reference_annotations, self.reference_split
        )


@dataclass
class RetentionArguments(ReferenceArguments):
    """Retention while training, on a reference set."""

    reference_videos: int = field(
        default=400, metadata={"help": "Measure on so many of its videos at most, equally many of each class."}
    )
    retention_epochs: Optional[int] = field(  # noqa: UP045
        default=None, metadata={"help": "Measure after every n epochs; by default 1 where there is a reference set."}
    )


def reference_clips(
    retention: RetentionArguments,
    name: str,
    model: PreTrainedModel,
    processor: BaseVideoProcessor,
    args: TrainingArguments,
) -> tuple[TestingClips, TestingClips] | None:
    """The centre clips of the videos to learn from and of those to ask, as the encoder `name` takes them.

    None where there is no reference set, or where the encoder has random weights, which is said.

    Raises:
        ValueError: flags contradict one another, or the data set is not as it should be.
    """
    if retention.reference_dataset is None:
        if retention.retention_epochs is not None:
            raise ValueError("--retention_epochs needs --reference_dataset, a data set that the encoder knows")
        return None
    if name in FROM_SCRATCH:
        logger.warning("%s has random weights, with nothing to retain: retention is not measured", name)
        return None
    data = retention.data()
    with args.main_process_first(desc="loading the reference set"):
        gallery, queries, _ = gallery_and_queries(data.load(), "test", data)
    share = min(1, retention.reference_videos / (len(gallery) + len(queries)))
    known, asked = (few_of_each_class(part, round(share * len(part))) for part in (gallery, queries))
    if not len(asked) or not held_out_groups(known["label"], known["group"], 0.5, seed=0):
        raise ValueError(
            f"{len(known)} videos of {data.dataset} to learn from and {len(asked)} to ask: the linear probe needs two "
            f"groups of each class and a video to ask; raise --reference_videos {retention.reference_videos}"
        )
    logger.info("Retention is measured on %d videos against %d of %s", len(asked), len(known), data.dataset)
    known_clips, asked_clips = (
        testing_clips(part, model, processor, SamplingArguments(), num_clips=1) for part in (known, asked)
    )
    return known_clips, asked_clips


def watch_retention(
    trainer: Trainer,
    reference: tuple[TestingClips, TestingClips],
    retention: RetentionArguments,
    most: float,
) -> None:
    """Measure on the `reference_clips` while the trainer trains; more than a share `most` unreadable is an error."""
    epochs = 1 if retention.retention_epochs is None else retention.retention_epochs
    trainer.add_callback(RetentionCallback(trainer, *reference, epochs))
    trainer.add_callback(UnreadableReferencesCallback(*reference, most=most))
