"""The configs: what can be asked for. Nothing heavy is imported here: `--help` loads this module."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.regularizers.arguments import RegularizerArguments
from hf_selfdistill.runs.arguments import (
    CheckpointArguments,
    DatasetArguments,
    LoraArguments,
    ReferenceArguments,
    SubsetArguments,
    UnlabelledArguments,
    check_parts,
)
from hf_selfdistill.runs.config import RunConfig
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.training.arguments import VideoTrainingArguments, check_positive

__all__ = ["EvaluateConfig", "FinetuneConfig", "ForgettingConfig", "PredictConfig", "PretrainConfig"]

logger = logging.getLogger(__name__)

FROM_SCRATCH = ("c3d", "r2plus1d")


def _check_overrides(name: str | None, overrides: str | None) -> None:
    if overrides and name not in FROM_SCRATCH:
        raise ValueError(
            f"`config_overrides` is {overrides}, but {name} has a configuration of its own; overrides need c3d or "
            "r2plus1d"
        )


@dataclass(kw_only=True, eq=False)
class FinetuneConfig(
    RunConfig,
    RegularizerArguments,
    LoraArguments,
    SubsetArguments,
    DatasetArguments,
    ReferenceArguments,
    CheckpointArguments,
    SelfDistillationArguments,
):
    """Fine-tuning of a video classifier.

    Args:
        model_name_or_path: `c3d` or `r2plus1d` (random weights), a folder, or a name on the Hub.
        config_overrides: settings of a network with random weights.
        reference_videos: number of videos of the reference set, at most, that retention is measured on.
        retention_epochs: measure retention after every n epochs; by default 1 if there is a reference set.
    """

    task = "finetune"
    places = ("dataset_root", "annotations", "reference_root", "reference_annotations")

    model_name_or_path: str = field(
        metadata={"help": "c3d or r2plus1d (random weights), a folder, or a name on the Hub."}
    )
    config_overrides: str | None = field(
        default=None,
        metadata={"help": "With c3d or r2plus1d: hidden_sizes=16,32,64,128,128,image_size=48,num_frames=8."},
    )
    reference_videos: int = field(
        default=400, metadata={"help": "Measure on so many videos of it at most, equally many of each class."}
    )
    retention_epochs: int | None = field(
        default=None, metadata={"help": "Measure after every n epochs; by default 1 if there is a reference set."}
    )

    def __post_init__(self) -> None:
        """Check all groups of fields, and which go together."""
        RegularizerArguments.__post_init__(self)
        SubsetArguments.__post_init__(self)
        if self.regularizer != "self_distillation":
            if self.distill_weight not in (0, SelfDistillationArguments.distill_weight):  # a recipe's, for example
                logger.info("`distill_weight` is not used with `regularizer` %s", self.regularizer)
            self.distill_weight = 0.0  # λ belongs to self-distillation
        SelfDistillationArguments.__post_init__(self)
        _check_overrides(self.model_name_or_path, self.config_overrides)
        check_positive("retention_epochs", self.retention_epochs)
        if self.retention_epochs is not None and self.reference_dataset is None:
            raise ValueError("`retention_epochs` needs `reference_dataset`, a data set that the encoder knows")
        self._check_combinations()

    def _check_combinations(self) -> None:
        rival = self.regularizer != "self_distillation"
        if self.lora_target_modules and self.lora_rank is None:
            raise ValueError(
                f"`lora_target_modules` is {self.lora_target_modules}, but `lora_rank` is not given; give both"
            )
        if self.lora_rank is not None and (rival or self.keep_best):
            other = f"`regularizer` {self.regularizer}" if rival else f"`keep_best` {' '.join(self.keep_best)}"
            raise ValueError(f"`lora_rank` can't be combined with {other}; remove one of the two")
        if rival and self.fsdp:
            raise ValueError(f"`regularizer` {self.regularizer} does not support `fsdp`; use DDP")
        if self.regularizer == "l2_sp" and self.fp16 and self.max_grad_norm == 0:
            raise ValueError("`regularizer` l2_sp needs unscaled gradients: with `fp16` set `max_grad_norm` above 0")
        if self.regularizer == "wise_ft" and self.keep_best:
            raise ValueError(
                f"`keep_best` {' '.join(self.keep_best)} can't be combined with `regularizer` wise_ft, which averages "
                "the weights of the last epoch; remove one of the two"
            )

    def model_hashes(self) -> dict[str, str]:
        """Return the hash of the encoder."""
        from hf_selfdistill.runs.inputs import hashes_of_models

        return hashes_of_models(encoder=self.model_name_or_path)

    def data_hashes(self) -> dict[str, str]:
        """Return the hashes of the videos drawn for training, of the other parts, and of the reference set."""
        from hf_selfdistill.runs.inputs import hash_of_data, hashes_of_parts

        parts = self.load(self.max_unreadable)
        parts["train"] = self.select(parts["train"], self.seed)
        reference = self.reference()
        return hashes_of_parts(parts) | ({} if reference is None else {"reference": hash_of_data(reference.load())})

    def essence(self) -> dict[str, Any]:
        """Leave out the name of a model that is a folder; the hash of its contents counts."""
        return _without_folders(super().essence(), "model_name_or_path")


@dataclass(kw_only=True, eq=False)
class PretrainConfig(RunConfig, UnlabelledArguments, CheckpointArguments, PretrainingArguments):
    """Self-supervised pre-training of an encoder.

    Args:
        model_type: `c3d` or `r2plus1d`, with random weights.
        model_name_or_path: instead, an encoder to continue with.
        config_overrides: settings of a network with random weights.
        objective_arguments: the objective's own arguments that differ from their defaults, by name.
    """

    task = "pretrain"
    places = ("dataset_root", "annotations")

    model_type: Literal["c3d", "r2plus1d"] | None = field(
        default=None, metadata={"help": "An encoder with random weights."}
    )
    model_name_or_path: str | None = field(
        default=None, metadata={"help": "Instead: an encoder to continue with, a folder or a name on the Hub."}
    )
    config_overrides: str | None = field(
        default=None, metadata={"help": "With --model_type: hidden_sizes=16,32,64,128,128,image_size=48,num_frames=8."}
    )
    objective_arguments: dict[str, Any] = field(default_factory=dict, metadata={"help": "Of the objective, as JSON."})

    def __post_init__(self) -> None:
        """Check all groups of fields, and which go together."""
        UnlabelledArguments.__post_init__(self)
        PretrainingArguments.__post_init__(self)
        if (self.model_type is None) == (self.model_name_or_path is None):
            raise ValueError("give either `model_type` c3d or r2plus1d, or `model_name_or_path` of an encoder")
        _check_overrides(self.model_type or self.model_name_or_path, self.config_overrides)
        if (self.dataset == "shards") != (self.clips_per_epoch is not None):
            raise ValueError(
                f"`dataset` is {self.dataset} and `clips_per_epoch` {self.clips_per_epoch}; shards need it, to know "
                "when an epoch ends, and nothing else takes it"
            )

    @classmethod
    def from_recipe(cls, values: Mapping[str, Any]) -> Self:
        """Return the config of a recipe, where the objective's arguments stand among the others."""
        known = cls.__dataclass_fields__
        own = {name: value for name, value in values.items() if name not in known}
        return cls.from_dict({**{k: v for k, v in values.items() if k in known}, "objective_arguments": own})

    def model_hashes(self) -> dict[str, str]:
        """Return the hash of the encoder to continue with."""
        from hf_selfdistill.runs.inputs import hashes_of_models

        return hashes_of_models(encoder=self.model_name_or_path)

    def data_hashes(self) -> dict[str, str]:
        """Return the hashes of the videos; a stream has none."""
        from hf_selfdistill.runs.inputs import hashes_of_parts

        return hashes_of_parts(self.load(self.max_unreadable))

    def essence(self) -> dict[str, Any]:
        """Leave out the name of a model that is a folder; the hash of its contents counts."""
        return _without_folders(super().essence(), "model_name_or_path")


@dataclass(kw_only=True)
class TestArguments:
    """Test."""

    __test__ = False  # no test for pytest to collect

    model_name_or_path: str = field(
        metadata={"help": "A folder, or a name on the Hub; for features also c3d or r2plus1d (random weights)."}
    )
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video; 1 is the centre."})
    part: Literal["test", "validation", "train"] = field(default="test", metadata={"help": "Part of the data set."})

    def __post_init__(self) -> None:
        """Check the number of clips, and that one process sees one GPU."""
        check_positive("num_clips", self.num_clips)
        if self.n_gpu > 1:  # type: ignore[attr-defined]
            raise ValueError(
                f"one process sees {self.n_gpu} GPUs, between which a video's clips can't be split; start "  # type: ignore[attr-defined]
                "with `accelerate launch` for all of them, or set CUDA_VISIBLE_DEVICES=0 for one"
            )


@dataclass(kw_only=True, eq=False)
class EvaluateConfig(RunConfig, TestArguments, DatasetArguments, VideoTrainingArguments):
    """Test of a classifier, or of the features of a frozen encoder.

    Args:
        task: `"classification"`, `"retrieval"`, `"linear_probe"` or `"knn"`.
        output_file: JSON file of the results; by default they are only returned and recorded.
        baseline_file: results of the model with λ = 0, which the model card shows beside these.
        retrieval_protocol: `"rspnet"` (pooled features of the model's own clips) or `"vcop"`.
        config_overrides: settings of a network with random weights.
    """

    places = ("dataset_root", "annotations", "baseline_file")

    task: Literal["classification", "retrieval", "linear_probe", "knn"] = field(
        default="classification",
        metadata={
            "help": "Test the classifier, or its frozen encoder's features (retrieval, linear_probe, knn); forgetting "
            "and relearning compare with --before:"
        },
    )
    output_file: str | None = field(default=None, metadata={"help": "JSON file of the results."})
    baseline_file: str | None = field(
        default=None, metadata={"help": "Results of the model with λ = 0, shown beside these in the model card."}
    )
    retrieval_protocol: Literal["rspnet", "vcop"] = field(
        default="rspnet", metadata={"help": "Pooled features of the model's own clips, or as VCOP retrieves:"}
    )
    config_overrides: str | None = field(
        default=None,
        metadata={"help": "With --model_name_or_path c3d or r2plus1d, random weights: image_size=48,num_frames=8."},
    )
    output_dir: str | None = field(default="", metadata={"help": "Not used."})
    per_device_eval_batch_size: int = field(default=4, metadata={"help": "Videos per process and batch."})

    def __post_init__(self) -> None:
        """Check all groups of fields, and which go together."""
        VideoTrainingArguments.__post_init__(self)
        TestArguments.__post_init__(self)
        check_parts(self.task, self.part)
        if self.retrieval_protocol == "vcop" and self.task != "retrieval":
            raise ValueError(f"`retrieval_protocol` vcop needs `task` retrieval, not {self.task}")
        if self.config_overrides and self.task == "classification":
            raise ValueError("`config_overrides` needs `task` retrieval, linear_probe or knn")
        self.dataloader_drop_last = False

    def model_hashes(self) -> dict[str, str]:
        """Return the hash of the model."""
        from hf_selfdistill.runs.inputs import hashes_of_models

        return hashes_of_models(model=self.model_name_or_path)

    def data_hashes(self) -> dict[str, str]:
        """Return the hashes of the parts that the task reads."""
        from hf_selfdistill.runs.inputs import hashes_of_parts

        parts: Mapping[str, Any] = self.load(self.max_unreadable)
        return hashes_of_parts({self.part: parts[self.part]} if self.task == "classification" else parts)

    def essence(self) -> dict[str, Any]:
        """Leave out the name of a model that is a folder; the hash of its contents counts."""
        return _without_folders(super().essence(), "model_name_or_path")


@dataclass(kw_only=True, eq=False)
class ForgettingConfig(RunConfig, TestArguments, DatasetArguments, VideoTrainingArguments):
    """Comparison of an encoder before and after fine-tuning, on a reference set.

    Args:
        task: `"forgetting"` (what frozen features lost) or `"relearning"` (how soon it comes back).
        before: the encoder before fine-tuning: a folder, or a name on the Hub.
        output_file: JSON file of the results; a table and a figure of the same name are written beside it.
    """

    places = ("dataset_root", "annotations")

    task: Literal["forgetting", "relearning"] = field(
        default="forgetting", metadata={"help": "What the features lost, or how soon that is learnt again:"}
    )
    before: str = field(
        default="", metadata={"help": "The encoder before fine-tuning: a folder, or a name on the Hub (required)."}
    )
    output_file: str | None = field(default=None, metadata={"help": "JSON file of the results."})
    num_train_epochs: float = field(
        default=20, metadata={"help": "With --task relearning: epochs that an encoder has, at most."}
    )
    learning_rate: float = field(
        default=1e-3, metadata={"help": "With --task relearning: the constant learning rate."}
    )
    output_dir: str | None = field(default="", metadata={"help": "Not used."})
    per_device_eval_batch_size: int = field(default=4, metadata={"help": "Videos per process and batch."})

    def __post_init__(self) -> None:
        """Check all groups of fields, and which go together."""
        VideoTrainingArguments.__post_init__(self)
        TestArguments.__post_init__(self)
        check_parts(self.task, self.part)
        if self.before in ("", *FROM_SCRATCH):
            given = f"{self.before}, which has random weights" if self.before else "missing"
            raise ValueError(
                f"`before` is {given}; `task` {self.task} compares with the encoder that fine-tuning began from: give "
                "its folder, or its name on the Hub"
            )
        if self.output_file is not None and Path(self.output_file).suffix != ".json":
            raise ValueError(
                f"`output_file` is {self.output_file}, but a table and a figure of the same name are written beside "
                f"the results; give a name that ends in .json, such as {Path(self.output_file).with_suffix('.json')}"
            )
        self.dataloader_drop_last = False

    def model_hashes(self) -> dict[str, str]:
        """Return the hashes of both models."""
        from hf_selfdistill.runs.inputs import hashes_of_models

        return hashes_of_models(model=self.model_name_or_path, before=self.before)

    def data_hashes(self) -> dict[str, str]:
        """Return the hash of the reference set."""
        from hf_selfdistill.data.video_files import find_videos
        from hf_selfdistill.runs.inputs import hash_of_data

        unlabelled = self.dataset == "videos"
        parts = {"test": find_videos(Path(str(self.dataset_root)))} if unlabelled else self.load(self.max_unreadable)
        return {"reference": hash_of_data(parts)}

    def essence(self) -> dict[str, Any]:
        """Leave out the names of models that are folders; the hashes of their contents count."""
        return _without_folders(super().essence(), "model_name_or_path", "before")


@dataclass(kw_only=True, eq=False)
class PredictConfig(RunConfig):
    """Classification of video files.

    Args:
        model_name_or_path: a fine-tuned model: a folder, or a name on the Hub.
        videos: video files, and folders of them.
        top_k: number of classes per video.
        num_clips: evenly spaced clips per video, whose logits are averaged.
        batch_size: videos that go through the model at once, all clips of each.
        num_workers: processes that read videos meanwhile.
        frame_stride: take every n-th frame; by default as the model was trained.
        target_fps: draw clips at this frame rate; by default as the model was trained.
    """

    task = "predict"

    model_name_or_path: str = field(metadata={"help": "A fine-tuned model: a folder, or a name on the Hub."})
    videos: list[str] = field(default_factory=list, metadata={"help": "Video files, and folders of them."})
    top_k: int = field(default=5, metadata={"help": "How many classes to show per video."})
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video, their logits averaged."})
    batch_size: int = field(default=4, metadata={"help": "Videos that go through the model at once, all clips each."})
    num_workers: int = field(default=0, metadata={"help": "Processes that read videos meanwhile."})
    frame_stride: int | None = field(
        default=None, metadata={"help": "Take every n-th frame; by default as the model was trained, else 1."}
    )
    target_fps: float | None = field(
        default=None,
        metadata={"help": "Draw clips at this frame rate; by default as the model was trained, else the video's own."},
    )

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("top_k", "num_clips", "batch_size", "frame_stride", "target_fps"):
            check_positive(name, getattr(self, name))
        if self.num_workers < 0:
            raise ValueError(f"`num_workers` is {self.num_workers}; it must be at least 0")


def _without_folders(values: dict[str, Any], *names: str) -> dict[str, Any]:
    folders = [name for name in names if values.get(name) and Path(values[name]).is_dir()]
    return {name: value for name, value in values.items() if name not in folders}
