"""Classification of raw videos: clips, labels, accuracies, best epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import datasets
import torch
from torch import nn
from transformers import BaseVideoProcessor, PreTrainedModel, set_seed
from transformers.trainer_utils import HubStrategy

from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.data.clips import collate_clips, video_name
from hf_selfdistill.data.origin import is_video_dataset, origin_of, relative_name, undecoded
from hf_selfdistill.models.labels import use_labels
from hf_selfdistill.models.loading import load_classifier, load_for_inference, processor_of
from hf_selfdistill.training.accuracies import MEASURED
from hf_selfdistill.training.arguments import (
    ClassificationArguments,
    VideoTrainingArguments,
    check_evaluation,
    check_full_eval,
    check_metric,
)
from hf_selfdistill.training.best_epochs import KeepBestCallback, KeepBestOnTestCallback
from hf_selfdistill.training.clips import describe_clips, mix_clips, set_sampling, testing_clips, training_clips
from hf_selfdistill.training.description import describe_clip_drawing
from hf_selfdistill.training.multi_clip import MultiClipAccuracy, rows_of_videos
from hf_selfdistill.training.trainer import VideoTrainer

__all__ = ["ClassificationTrainer"]


class ClassificationTrainer(VideoTrainer):
    """Trainer of classifiers on raw videos: parts of a data set with the columns `video` and `label`.

    From raw videos the trainer builds the clips, the collator, the labels, the metric, and the callbacks for epochs,
    unreadable files and best models. Data sets of finished clips (any data set with the model's inputs) are treated as
    in transformers' Trainer.

    Args:
        model: a video classifier or an encoder: a model, or its name (`c3d` or `r2plus1d` for random weights, a
            folder, or a name on the Hub).
        args: the training arguments.
        train_dataset: raw videos, or finished clips.
        eval_dataset: raw videos, or finished clips.
        test_dataset: raw videos that are held out for a test. They are recorded, and read only for `keep_best` "test".
        processing_class: video processor; by default the one saved with the model.
        kwargs: further arguments of `Trainer`, and `record`.

    Raises:
        ValueError: the model and the videos do not fit, or an argument has a value that is not allowed.
        OSError: there is no such model.
    """

    args: ClassificationArguments

    def __init__(
        self,
        model: PreTrainedModel | nn.Module | str | None = None,
        args: VideoTrainingArguments | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        test_dataset: datasets.Dataset | None = None,
        processing_class: BaseVideoProcessor | None = None,
        **kwargs: Any,
    ) -> None:
        args = args or self.default_arguments()
        labels = next((_labels(part) for part in (train_dataset, eval_dataset) if is_video_dataset(part)), None)
        if labels is not None:
            check_evaluation(args, eval_dataset)
            check_full_eval(args)
            if kwargs.get("compute_metrics") is None:
                _check_accuracies(args)
        name = model if isinstance(model, str) else None
        if name is not None:
            set_seed(args.seed)  # of random weights
            model, own = load_for_inference(name) if labels is None else load_classifier(name, labels)
            processing_class = processing_class or own
        super().__init__(
            model,
            args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            **kwargs,
        )
        if self._adapters() is not None and (args.gradient_checkpointing_kwargs or {}).get("use_reentrant"):
            raise ValueError(
                "`gradient_checkpointing_kwargs` has use_reentrant true, which gives low-rank adapters (`lora_rank`) "
                "no gradient; omit it"
            )
        if labels is not None:
            self.processing_class = processing_class or processor_of(self.model)
            self._prepare(labels, test_dataset, name)

    @classmethod
    def default_arguments(cls) -> VideoTrainingArguments:
        """Return the default of `args`."""
        return ClassificationArguments("tmp_trainer")

    def _prepare(self, labels: list[str], test_dataset: datasets.Dataset | None, name: str | None) -> None:
        """Replace raw videos by clips, and set the metric and the callbacks of the clips."""
        args = self.args
        use_labels(self.model, labels)
        set_sampling(self.processing_class, args)
        found = {"train": self.train_dataset, "validation": self.eval_dataset, "test": test_dataset}
        videos = {part: undecoded(records) for part, records in found.items() if records is not None and len(records)}
        if "train" in videos:
            self.train_dataset = training_clips(videos["train"], self.model, self.processing_class, args)
        self.eval_dataset = self.clips_of(videos["validation"]) if "validation" in videos else None
        self.data_collator = collate_clips
        self.compute_metrics = self.compute_metrics or MultiClipAccuracy(labels)
        self.preprocess_logits_for_metrics = self.preprocess_logits_for_metrics or rows_of_videos
        if self._adapters() is not None:
            args.hub_strategy = HubStrategy.END  # the Hub gets the merged model, not the adapters of a checkpoint
        on_test = []
        if "test" in args.keep_best:
            if test_dataset is None:
                raise ValueError("`keep_best` test needs `test_dataset`, the raw videos of the test part")
            on_test = [self.clips_of(test_dataset)]
        self._note(labels, videos.get("train", videos.get("validation")))
        self.manage(videos, self.model, name, *on_test)
        if "validation" in args.keep_best:
            self.add_callback(KeepBestCallback(self))
        for clips in on_test:
            self.add_callback(KeepBestOnTestCallback(self, clips))

    def _note(self, labels: list[str], videos: datasets.Dataset) -> None:
        origin = origin_of(videos)
        self.record.model |= {
            "classes": labels,
            "dataset": origin.dataset or None,
            "split": origin.split,
            "validation_protocol": self.protocol(videos, "validation", self.args.eval_num_clips),
        }

    def clips_of(self, videos: Any) -> Any:
        """Return validation clips of raw videos; finished clips are returned unchanged."""
        if not is_video_dataset(videos):
            return videos
        return testing_clips(undecoded(videos), self.model, self.processing_class, self.args.eval_num_clips)

    def protocol(self, videos: datasets.Dataset, part: str, num_clips: int) -> str:
        """Describe the videos and clips that accuracies are measured on."""
        clips = describe_clips(num_clips, self.model, self.processing_class)
        return f"{origin_of(videos)} {part}, {clips}, centre crop, mean of logits"

    def describe(self) -> dict[str, dict[str, str]]:
        """Add a description of the training clips."""
        tables = super().describe()
        tables["hyper-parameter"] |= describe_clip_drawing(self.args)
        return tables

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Train on a batch, on mixed clips if `mixup_alpha` is set."""
        if self.args.mixup_alpha:
            inputs = mix_clips(self._prepare_inputs(inputs), self.model, self.args.mixup_alpha)
        return super().training_step(model, inputs, num_items_in_batch)

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
        num_clips: int | None = None,
    ) -> dict[str, Any]:
        """Evaluate, or test raw videos as the paper does.

        Args:
            eval_dataset: raw videos or finished clips; by default the trainer's own.
            ignore_keys: as in `Trainer.evaluate`.
            metric_key_prefix: as in `Trainer.evaluate`.
            num_clips: number of evenly spaced clips per video; their logits are averaged, to test raw videos. By
                default the result is that of `Trainer.evaluate`.

        Returns:
            The metrics of `Trainer.evaluate`, or, with `num_clips`, `video_top1`, `video_top5`, `clip_top1` and
            `clip_top5` (fractions of 1), `num_videos`, `num_classes`, `protocol`, `per_class`, `predictions` and
            `failed`.

        Raises:
            ValueError: the videos have other classes than the model, too many of them can't be read, or scores are not
            finite.
        """
        if num_clips is None:
            return super().evaluate(self.clips_of(eval_dataset), ignore_keys, metric_key_prefix)
        return self._test(eval_dataset, num_clips)

    def _test(self, videos: datasets.Dataset, num_clips: int) -> dict[str, Any]:
        labels = _labels(videos)
        use_labels(self.model, labels)
        self.processing_class = self.processing_class or processor_of(self.model)
        videos = undecoded(videos)
        clips = testing_clips(videos, self.model, self.processing_class, num_clips)
        unreadable = UnreadableVideosCallback(clips, most=self.args.max_unreadable)
        accuracy = MultiClipAccuracy(labels)
        kept = self.data_collator, self.compute_metrics, self.preprocess_logits_for_metrics
        self.data_collator, self.compute_metrics = collate_clips, accuracy
        self.preprocess_logits_for_metrics = rows_of_videos
        try:
            prediction = self.predict(clips, metric_key_prefix="")
        finally:
            self.data_collator, self.compute_metrics, self.preprocess_logits_for_metrics = kept
        unreadable.check()
        lost = accuracy.not_finite(prediction)
        if lost:
            raise ValueError(
                f"the scores of {len(lost)} videos are not finite, the first of {video_name(videos, lost[0])}: the "
                "model has diverged, and can't be measured; take an earlier checkpoint or train with a lower "
                "`learning_rate`"
            )
        metrics: Mapping[str, Any] = {key.removeprefix("_"): value for key, value in prediction.metrics.items()}
        return {
            **{key: metrics[key] for key in MEASURED},
            "num_classes": len(labels),
            "protocol": self.protocol(videos, origin_of(videos).part or "videos", num_clips),
            "per_class": accuracy.per_class(prediction),
            "predictions": [
                {
                    "video": relative_name(videos, place),
                    "label": label,
                    "predicted": predicted,
                    "score": round(score, 4),
                }
                for place, label, predicted, score in accuracy.predictions(prediction)
            ],
            "failed": unreadable.failures(),
        }


def _check_accuracies(args: VideoTrainingArguments) -> None:
    if args.batch_eval_metrics or not args.eval_do_concat_batches:
        raise ValueError(
            f"`batch_eval_metrics` is {args.batch_eval_metrics} and `eval_do_concat_batches` "
            f"{args.eval_do_concat_batches}, but accuracies of videos need all batches together; omit both"
        )
    check_metric(args, () if args.prediction_loss_only else MEASURED)


def _labels(videos: datasets.Dataset) -> list[str]:
    return list(videos.features["label"].names)
