"""The configs of trainings, and all configs by name. Nothing heavy is imported here: `--help` loads this module."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import Self

from hf_selfdistill.pretraining.arguments import PretrainingArguments
from hf_selfdistill.regularizers.arguments import RegularizerArguments
from hf_selfdistill.runs.arguments import (
    CheckpointArguments,
    DatasetArguments,
    LoraArguments,
    ReferenceArguments,
    SubsetArguments,
    UnlabelledArguments,
)
from hf_selfdistill.runs.config import RunConfig
from hf_selfdistill.runs.evaluation_configs import FROM_SCRATCH, EvaluateConfig, ForgettingConfig, PredictConfig
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.training.arguments import check_positive

if TYPE_CHECKING:
    import datasets

__all__ = ["FROM_SCRATCH", "EvaluateConfig", "FinetuneConfig", "ForgettingConfig", "PredictConfig", "PretrainConfig"]

logger = logging.getLogger(__name__)


def _check_overrides(name: str | None, overrides: str | None) -> None:
    if overrides and name not in FROM_SCRATCH:
        raise ValueError(
            f"`config_overrides` is {overrides}, but {name} has its own configuration; overrides need c3d or r2plus1d"
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
        reference_videos: largest number of videos of the reference set for the measurement of retention.
        retention_epochs: measure retention after every n epochs; by default 1 if there is a reference set.
        drift: after training, measure the drift of a pre-trained encoder on the validation videos.
    """

    task = "finetune"
    places = ("dataset_root", "annotations", "reference_root", "reference_annotations")
    models = ("model_name_or_path",)

    model_name_or_path: str = field(
        metadata={"help": "c3d or r2plus1d (random weights), a folder, or a name on the Hub."}
    )
    config_overrides: str | None = field(
        default=None,
        metadata={"help": "With c3d or r2plus1d: hidden_sizes=16,32,64,128,128,image_size=48,num_frames=8."},
    )
    reference_videos: int = field(
        default=400, metadata={"help": "Largest number of videos to measure retention on, equally many of each class."}
    )
    retention_epochs: int | None = field(
        default=None,
        metadata={"help": "Measure retention after every n epochs; by default 1 if there is a reference set."},
    )
    drift: bool = field(
        default=True,
        metadata={"help": "After training, measure the drift of the encoder on the validation videos."},
    )

    def __post_init__(self) -> None:
        """Check the groups of fields and their combination."""
        RegularizerArguments.__post_init__(self)
        SubsetArguments.__post_init__(self)
        if self.regularizer != "self_distillation":
            if self.distill_weight not in (0, SelfDistillationArguments.distill_weight):  # a recipe's, for example
                logger.info("`distill_weight` is not used with `regularizer` %s", self.regularizer)
            self.distill_weight = 0.0  # λ belongs to self-distillation
        elif self.model_name_or_path in FROM_SCRATCH and self.distill_weight > 0:
            logger.warning(
                "%s has random weights, which are not worth keeping: `distill_weight` is set to 0 (was %g); give a "
                "pre-trained encoder for self-distillation",
                self.model_name_or_path,
                self.distill_weight,
            )
            self.distill_weight = 0.0
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
        if self.starts_from_probe and self.fsdp:
            raise ValueError("`head_init` linear_probe does not support `fsdp`; use DDP")
        if self.regularizer in ("wise_ft", "ema", "swa") and self.keep_best:
            raise ValueError(
                f"`keep_best` {' '.join(self.keep_best)} can't be combined with `regularizer` {self.regularizer}, "
                "which averages weights after the last epoch; remove one of the two"
            )

    def model_hashes(self) -> dict[str, str]:
        """Return the hash of the encoder."""
        from hf_selfdistill.runs.inputs import hashes_of_models

        return hashes_of_models(encoder=self.model_name_or_path)

    def load_parts(self) -> datasets.DatasetDict:
        """Return the videos of the run by part: the training videos are those drawn for it."""
        parts = self.load(self.max_unreadable)
        parts["train"] = self.select(parts["train"], self.seed)
        return parts

    def data_hashes(self, parts: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Return the hashes of the videos of each part, and of the reference set."""
        from hf_selfdistill.runs.inputs import hash_of_data, hashes_of_parts

        parts = self.load_parts() if parts is None else parts
        reference = self.reference()
        return hashes_of_parts(parts) | ({} if reference is None else {"reference": hash_of_data(reference.load())})


@dataclass(kw_only=True, eq=False)
class PretrainConfig(RunConfig, UnlabelledArguments, CheckpointArguments, PretrainingArguments):
    """Self-supervised pre-training of an encoder.

    Args:
        model_type: `c3d` or `r2plus1d`, with random weights.
        model_name_or_path: encoder to continue with, instead of `model_type`.
        config_overrides: settings of a network with random weights.
        objective_arguments: maps names of the objective's arguments to values that differ from their defaults.
    """

    task = "pretrain"
    places = ("dataset_root", "annotations")
    models = ("model_name_or_path",)

    model_type: Literal["c3d", "r2plus1d"] | None = field(
        default=None, metadata={"help": "An encoder with random weights."}
    )
    model_name_or_path: str | None = field(
        default=None,
        metadata={"help": "Encoder to continue with, instead of --model_type: a folder or a name on the Hub."},
    )
    config_overrides: str | None = field(
        default=None, metadata={"help": "With --model_type: hidden_sizes=16,32,64,128,128,image_size=48,num_frames=8."}
    )
    objective_arguments: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "Arguments of the objective, as JSON."}
    )

    def __post_init__(self) -> None:
        """Check the groups of fields and their combination."""
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
        """Return the config of a recipe, which lists the objective's arguments among the others."""
        known = cls.__dataclass_fields__
        own = {name: value for name, value in values.items() if name not in known}
        return cls.from_dict({**{k: v for k, v in values.items() if k in known}, "objective_arguments": own})

    def model_hashes(self) -> dict[str, str]:
        """Return the hash of the encoder to continue with."""
        from hf_selfdistill.runs.inputs import hashes_of_models

        return hashes_of_models(encoder=self.model_name_or_path)

    def data_hashes(self, parts: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Return the hashes of the videos; a stream has none."""
        from hf_selfdistill.runs.inputs import hashes_of_parts

        return hashes_of_parts(self.load(self.max_unreadable) if parts is None else parts)
