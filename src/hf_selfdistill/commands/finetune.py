"""Fine-tune a video classifier with self-distillation."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_type_hints

import transformers
from datasets import DatasetDict
from transformers import PreTrainedModel
from transformers.trainer_utils import HubStrategy

from hf_selfdistill.cli.parser import CommandParser, fit_workers, start_logging, user_errors
from hf_selfdistill.training.best_epochs import KeepBestCallback, KeepBestOnTestCallback, check_keep_best
from hf_selfdistill.commands.cards import card_facts
from hf_selfdistill.training.checkpoints import settle_checkpoint
from hf_selfdistill.commands.datasets import (
    AugmentationArguments,
    DatasetArguments,
    SamplingArguments,
    balanced_class_weights,
    sampling_rate,
    testing_clips,
    training_clips,
    videos_to_learn,
)
from hf_selfdistill.models.loading import ModelArguments, load_classifier
from hf_selfdistill.commands.regularization import check_regularizer, regularize
from hf_selfdistill.commands.retention import RetentionArguments, reference_clips, watch_retention
from hf_selfdistill.training.trackers import check_trackers, name_alike
from hf_selfdistill.commands.training import (
    DEFAULTS,
    MOST_USED,
    check_whole_batch,
    finish,
    watch_uploads,
)
from hf_selfdistill.data.callbacks import EpochCallback, UnreadableVideosCallback
from hf_selfdistill.data.clips import TestingClips, collate_clips
from hf_selfdistill.training.multi_clip import MultiClipAccuracy, rows_of_videos
from hf_selfdistill.hub.model_card import ModelCardCallback
from hf_selfdistill.regularizers.arguments import RegularizerArguments
from hf_selfdistill.regularizers.wise_ft import WeightAverage
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.self_distillation.loss import ClassificationLoss
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

__all__ = ["FineTuning", "build_trainer", "main", "parse", "parser"]

logger = logging.getLogger(__name__)

PARTS = ("train", "validation", "test")


class FineTuning(NamedTuple):
    """What is asked for: the arguments of the command."""

    model: ModelArguments
    data: DatasetArguments
    sampling: SamplingArguments
    augmentation: AugmentationArguments
    regularizer: RegularizerArguments
    retention: RetentionArguments
    training: SelfDistillationArguments


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/finetune.py`."""
    with user_errors():
        asked = parse(argv)
        start_logging(asked.training)
        fit_workers(asked.training)
        run(*build_trainer(asked))


def parse(argv: Sequence[str] | None = None) -> FineTuning:
    """What the words ask for; exits with one line where one of them is wrong."""
    return FineTuning(*parser().parse(argv))


def parser() -> CommandParser:
    """The parser of the command's flags."""
    return CommandParser(
        *get_type_hints(FineTuning).values(),
        description="Fine-tune a video classifier with self-distillation (Zhou et al., arXiv 2205.00506).",
        defaults=DEFAULTS,
        most_used=MOST_USED,
    )


def build_trainer(
    asked: FineTuning,
) -> tuple[SelfDistillationTrainer, UnreadableVideosCallback, WeightAverage | None]:
    """Everything in place, nothing trained yet; raises ValueError or OSError where something is wrong."""
    args, sampling, augmentation = asked.training, asked.sampling, asked.augmentation
    check_trackers(args)
    check_regularizer(asked.regularizer, args, adapters=asked.model.lora_rank is not None)
    transformers.set_seed(args.seed)
    records = _records(asked)
    check_keep_best(
        augmentation.keep_best,
        args.eval_strategy,
        len(records["validation"]),
        adapters=asked.model.lora_rank is not None,
        averaged=asked.regularizer.regularizer == "wise_ft",
    )
    labels = records["train"].features["label"].names
    model, processor = load_classifier(asked.model, labels)
    _settle_checkpoint(model, asked)
    keeping = regularize(model, asked.regularizer, args)
    reference = reference_clips(asked.retention, asked.model.model_name_or_path, model, processor, args)
    processor.frame_stride, processor.target_fps = sampling_rate(processor, sampling)  # saved with the model
    train = training_clips(records["train"], model, processor, sampling, augmentation, args.seed)
    check_whole_batch(len(train), args)
    judges = {
        part: testing_clips(records[part], model, processor, sampling, augmentation.eval_num_clips)
        for part in dict.fromkeys(["validation", *augmentation.keep_best])
    }
    unreadable = UnreadableVideosCallback(train, *judges.values(), most=asked.data.max_unreadable)
    weights = balanced_class_weights(train.records) if augmentation.class_weights else None
    card = ModelCardCallback(card_facts(asked, records, model.config, processor))
    trainer = SelfDistillationTrainer(
        model,
        args,
        compute_loss_func=ClassificationLoss(weights, args.label_smoothing_factor),
        train_dataset=train,
        eval_dataset=judges["validation"] if len(judges["validation"]) else None,
        data_collator=collate_clips,
        processing_class=processor,
        compute_metrics=MultiClipAccuracy(labels),
        preprocess_logits_for_metrics=rows_of_videos,
        callbacks=[EpochCallback(train), unreadable, card, *keeping.callbacks],
        optimizer_cls_and_kwargs=keeping.optimizer_cls_and_kwargs,
        model_card=card.write,
    )
    _keep_best(trainer, augmentation, judges)
    if reference is not None:
        watch_retention(trainer, reference, asked.retention, asked.data.max_unreadable)
    name_alike(trainer)
    watch_uploads(trainer)
    return trainer, unreadable, keeping.average


def _keep_best(
    trainer: SelfDistillationTrainer, augmentation: AugmentationArguments, judges: Mapping[str, TestingClips]
) -> None:
    if "validation" in augmentation.keep_best:
        trainer.add_callback(KeepBestCallback(trainer))
    if "test" in augmentation.keep_best:
        trainer.add_callback(KeepBestOnTestCallback(trainer, judges["test"]))


def _records(asked: FineTuning) -> DatasetDict:
    """The videos by part, of which it says how many there are."""
    with asked.training.main_process_first(desc="loading the data set"):
        records = asked.data.load()
        records["train"] = videos_to_learn(records["train"], asked.augmentation, asked.training.seed)
    labels = records["train"].features["label"].names
    logger.info(
        "%d training, %d validation and %d test videos of %d classes",
        *(len(records[part]) for part in PARTS),
        len(labels),
    )
    for part in PARTS:
        absent = sorted(set(range(len(labels))) - set(records[part]["label"]))
        if absent and len(records[part]):
            logger.warning("No %s video of %s", part, ", ".join(labels[index] for index in absent))
    return DatasetDict({part: records[part] for part in PARTS})


def _settle_checkpoint(model: PreTrainedModel, asked: FineTuning) -> None:
    adapters = None
    if asked.model.lora_rank is not None:
        adapters = model.peft_config["default"]
        asked.training.hub_strategy = HubStrategy.END  # the Hub gets the merged model, no checkpoint's adapters
    settle_checkpoint(asked.training, model.config, adapters)


def run(
    trainer: SelfDistillationTrainer, unreadable: UnreadableVideosCallback, average: WeightAverage | None = None
) -> None:
    """Train, and hand over the model that counts."""
    metrics = trainer.train(resume_from_checkpoint=trainer.args.resume_from_checkpoint).metrics
    if not isinstance(trainer.model, PreTrainedModel):
        trainer.model = trainer.model.merge_and_unload()  # adapters: what is saved and evaluated is a plain model
    if average is not None:
        average.save_all(trainer)
    finish(trainer, unreadable, metrics, lambda: {"unreadable": unreadable.failures()}, "fine-tuned model")
