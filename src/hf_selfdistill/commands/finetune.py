"""Fine-tune a video classifier with self-distillation."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import transformers
from datasets import DatasetDict
from transformers import PreTrainedModel
from transformers.trainer_utils import HubStrategy

from hf_selfdistill.commands.arguments import CommandParser, fit_workers, start_logging, user_errors
from hf_selfdistill.commands.best_epochs import KeepBestCallback, KeepBestOnTestCallback, check_keep_best
from hf_selfdistill.commands.cards import card_facts
from hf_selfdistill.commands.checkpoints import check_best_checkpoint, checkpoint_to_resume
from hf_selfdistill.commands.datasets import (
    AugmentationArguments,
    DatasetArguments,
    SamplingArguments,
    balanced_class_weights,
    sampling_rate,
    testing_clips,
    training_clips,
)
from hf_selfdistill.commands.models import ModelArguments, load_classifier
from hf_selfdistill.commands.regularization import check_regularizer, regularize
from hf_selfdistill.commands.retention import RetentionArguments, reference_clips, watch_retention
from hf_selfdistill.commands.trackers import check_trackers, name_alike
from hf_selfdistill.commands.training import (
    DEFAULTS,
    MOST_USED,
    check_whole_batch,
    end,
    push,
    warn_of_overwriting,
    watch_uploads,
)
from hf_selfdistill.data.callbacks import EpochCallback, UnreadableVideosCallback
from hf_selfdistill.data.clips import TestingClips, collate_clips
from hf_selfdistill.evaluation.multi_clip import MultiClipAccuracy, rows_of_videos
from hf_selfdistill.hub.model_card import ModelCardCallback
from hf_selfdistill.regularizers.arguments import RegularizerArguments
from hf_selfdistill.regularizers.wise_ft import WeightAverage
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.self_distillation.loss import ClassificationLoss
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

__all__ = ["build_trainer", "main", "parser"]

logger = logging.getLogger(__name__)

PARTS = ("train", "validation", "test")


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/finetune.py`."""
    with user_errors():
        model_args, data, sampling, augmentation, regularizer, retention, args = parser().parse(argv)
        start_logging(args)
        fit_workers(args)
        trainer, unreadable, average = build_trainer(
            model_args, data, sampling, augmentation, regularizer, retention, args
        )
        run(trainer, unreadable, average)


def parser() -> CommandParser:
    """The parser of the command's flags."""
    return CommandParser(
        ModelArguments,
        DatasetArguments,
        SamplingArguments,
        AugmentationArguments,
        RegularizerArguments,
        RetentionArguments,
        SelfDistillationArguments,
        description="Fine-tune a video classifier with self-distillation (Zhou et al., arXiv 2205.00506).",
        defaults=DEFAULTS,
        most_used=MOST_USED,
    )


def build_trainer(
    model_args: ModelArguments,
    data: DatasetArguments,
    sampling: SamplingArguments,
    augmentation: AugmentationArguments,
    regularizer: RegularizerArguments,
    retention: RetentionArguments,
    args: SelfDistillationArguments,
) -> tuple[SelfDistillationTrainer, UnreadableVideosCallback, WeightAverage | None]:
    """Everything in place, nothing trained yet; raises ValueError or OSError where something is wrong."""
    check_trackers(args)
    check_regularizer(regularizer, args, adapters=model_args.lora_rank is not None)
    transformers.set_seed(args.seed)
    records = _records(data, args)
    check_keep_best(
        augmentation.keep_best,
        args.eval_strategy,
        len(records["validation"]),
        adapters=model_args.lora_rank is not None,
        averaged=regularizer.regularizer == "wise_ft",
    )
    labels = records["train"].features["label"].names
    model, processor = load_classifier(model_args, labels)
    _settle_checkpoint(model, model_args, args)
    warn_of_overwriting(args)
    keeping = regularize(model, regularizer, args)
    reference = reference_clips(retention, model_args.model_name_or_path, model, processor, args)
    processor.frame_stride, processor.target_fps = sampling_rate(processor, sampling)  # saved with the model
    train = training_clips(records["train"], model, processor, sampling, augmentation, args.seed)
    check_whole_batch(len(train), args)
    judges = {
        part: testing_clips(records[part], model, processor, sampling, augmentation.eval_num_clips)
        for part in dict.fromkeys(["validation", *augmentation.keep_best])
    }
    unreadable = UnreadableVideosCallback(train, *judges.values(), most=data.max_unreadable)
    weights = balanced_class_weights(train.records) if augmentation.class_weights else None
    facts = card_facts(model_args, data, records, augmentation, regularizer, args, model.config, processor)
    card = ModelCardCallback(facts)
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
        watch_retention(trainer, reference, retention, data.max_unreadable)
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


def _records(data: DatasetArguments, args: SelfDistillationArguments) -> DatasetDict:
    """The videos by part, of which it says how many there are."""
    with args.main_process_first(desc="loading the data set"):
        records = data.load()
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


def _settle_checkpoint(model: PreTrainedModel, model_args: ModelArguments, args: SelfDistillationArguments) -> None:
    """Find the checkpoint to go on from, if one is asked for, and see that it fits."""
    adapters = None
    if model_args.lora_rank is not None:
        adapters = model.peft_config["default"]
        args.hub_strategy = HubStrategy.END  # the Hub gets the merged model, no checkpoint's adapters beside it
    args.resume_from_checkpoint = checkpoint_to_resume(
        args.resume_from_checkpoint, args.output_dir, model.config, adapters, args.hub_token
    )
    check_best_checkpoint(args)


def run(
    trainer: SelfDistillationTrainer, unreadable: UnreadableVideosCallback, average: WeightAverage | None = None
) -> None:
    """Train, save, evaluate on the validation part, and say where the model is."""
    metrics = trainer.train(resume_from_checkpoint=trainer.args.resume_from_checkpoint).metrics
    if not isinstance(trainer.model, PreTrainedModel):
        trainer.model = trainer.model.merge_and_unload()  # adapters: what is saved and evaluated is a plain model
    if average is not None:
        average.save_all(trainer)
    trainer.save_without_upload()  # which comes last, when all is there
    trainer.save_state()
    if trainer.eval_dataset is not None:
        metrics |= trainer.evaluate()
    metrics["unreadable"] = unreadable.failures()
    trainer.save_metrics("all", metrics)
    trainer.create_model_card()
    unreadable.check()
    if trainer.args.push_to_hub:
        push(trainer)
    logger.info("The fine-tuned model is in %s", Path(trainer.args.output_dir).resolve())
    end(trainer)
