"""From the name of a model to a classifier with its video processor."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import torch
import yaml
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForVideoClassification,
    AutoVideoProcessor,
    BaseVideoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING

from hf_selfdistill.models.load_report import (
    absent_keys,
    absent_weights,
    layers_of,
    refuse_misfit,
    tell_partial_weights,
    without_load_report,
)
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.models import C3DConfig, C3DVideoProcessor, R2Plus1DConfig
from hf_selfdistill.models.adapters import add_lora
from hf_selfdistill.models.features import LAST_LAYER, last_layer
from hf_selfdistill.models.frames import frames_per_clip

if TYPE_CHECKING:
    from peft import PeftModel

__all__ = [
    "FROM_SCRATCH",
    "ModelArguments",
    "from_scratch",
    "in_its_memory_format",
    "load_classifier",
    "load_encoder",
    "load_for_features",
    "load_for_inference",
    "refuse_overrides",
]

logger = logging.getLogger(__name__)

FROM_SCRATCH: dict[str, type[PreTrainedConfig]] = {"c3d": C3DConfig, "r2plus1d": R2Plus1DConfig}
TRAINED_IN = torch.float32  # whatever a checkpoint is stored in: half precision is autocast's (--bf16)


@dataclass
class ModelArguments:
    """Model."""

    model_name_or_path: str = field(
        metadata={"help": "c3d or r2plus1d (random weights), a folder, or a name on the Hub."}
    )
    config_overrides: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None,
        metadata={"help": "With c3d or r2plus1d: hidden_sizes=16,32,64,128,128,image_size=48,num_frames=8."},
    )
    lora_rank: Optional[int] = field(  # noqa: UP045
        default=None, metadata={"help": "Train adapters of this rank (LoRA) and the head, not the whole encoder."}
    )
    lora_target_modules: Optional[str] = field(  # noqa: UP045
        default=None, metadata={"help": "Layers that get adapters: query,value; by default all linear ones."}
    )


def load_classifier(args: ModelArguments, labels: list[str]) -> tuple[PreTrainedModel | PeftModel, BaseVideoProcessor]:
    """A classifier of these classes, with adapters if there are to be any, and the processor of its clips.

    Raises:
        ValueError: an override is wrong, or the model can't have adapters.
        OSError: there is no such model.
    """
    if args.lora_target_modules and args.lora_rank is None:
        raise ValueError(f"--lora_target_modules {args.lora_target_modules} goes with --lora_rank")
    classes: dict[str, Any] = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    name, new_layers = args.model_name_or_path, list[str]()
    if name in FROM_SCRATCH:
        config, processor = from_scratch(name, args.config_overrides, classes)
        model = AutoModelForVideoClassification.from_config(config)
    else:
        refuse_overrides(name, args.config_overrides)
        _check_found(name)
        processor = AutoVideoProcessor.from_pretrained(name)
        model, new_layers = _pretrained(name, classes, labels)
    model = in_its_memory_format(model)
    if args.lora_rank is not None:
        targets = args.lora_target_modules.split(",") if args.lora_target_modules else None
        return add_lora(model, args.lora_rank, targets, new_layers), processor
    return model, processor


def load_for_inference(name: str) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """A fine-tuned classifier as it is, in evaluation mode, and its processor.

    Raises:
        ValueError: the model is an encoder without a trained head.
        OSError: there is no such model.
    """
    _check_found(name)
    model, report = AutoModelForVideoClassification.from_pretrained(
        name, dtype=TRAINED_IN, ignore_mismatched_sizes=True, output_loading_info=True
    )
    absent = absent_weights(name, model, report)
    if absent:
        raise ValueError(
            f"{name} lacks {', '.join(absent)}: it is not a fine-tuned classifier; "
            f"fine-tune it first: hf-selfdistill finetune, or scripts/finetune.py, with --model_name_or_path {name}"
        )
    return in_its_memory_format(model.eval()), AutoVideoProcessor.from_pretrained(name)


def load_for_features(name: str, overrides: str | None = None) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """A model for its features: with a head that goes unused, or without one; and its processor.

    Raises:
        ValueError: an override is wrong, or the weights do not fit the configuration.
        OSError: there is no such model.
    """
    if name in FROM_SCRATCH:
        config, processor = from_scratch(name, overrides)
        return in_its_memory_format(AutoModel.from_config(config).eval()), processor
    refuse_overrides(name, overrides)
    _check_found(name)
    architectures = AutoConfig.from_pretrained(name).architectures or []
    if any(architecture.endswith("ForVideoClassification") for architecture in architectures):
        return load_for_inference(name)
    model, report = AutoModel.from_pretrained(
        name, dtype=TRAINED_IN, ignore_mismatched_sizes=True, output_loading_info=True
    )
    refuse_misfit(name, model, sorted(absent_keys(report)))
    processor = AutoVideoProcessor.from_pretrained(name)
    if type(model.config) in MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING and not _is_pooled(model, processor):
        # Its classifier knows what the feature of a clip is; a head that the checkpoint lacks goes unused.
        model = AutoModelForVideoClassification.from_pretrained(name, dtype=TRAINED_IN, ignore_mismatched_sizes=True)
    return in_its_memory_format(model.eval()), processor


def load_encoder(name: str) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """An encoder, or that of a classifier, and the processor of its clips.

    Raises:
        ValueError: its weights do not fit its configuration, or it gives no pooled feature of a clip.
        OSError: there is no such model.
    """
    _check_found(name)
    encoder, report = AutoModel.from_pretrained(
        name, dtype=TRAINED_IN, ignore_mismatched_sizes=True, output_loading_info=True
    )
    absent = absent_keys(report)
    pooler = {key for key in report["missing_keys"] if key.startswith("pooler.")}
    refuse_misfit(name, encoder, sorted(absent - pooler))
    if pooler:  # which classifiers do without, ViViT's for one
        logger.warning("%s lacks weights of its pooler: they start at random", name)
    processor = AutoVideoProcessor.from_pretrained(name)
    _check_pooled(name, encoder, processor)
    return in_its_memory_format(encoder), processor


def in_its_memory_format(model: PreTrainedModel) -> PreTrainedModel:
    """C3D with channels-last weights, which its convolutions and poolings run faster on; others as they are."""
    return model.to(memory_format=torch.channels_last_3d) if model.config.model_type == "c3d" else model


def refuse_overrides(name: str, overrides: str | None) -> None:
    """Refuse overrides for a model that has a configuration of its own.

    Raises:
        ValueError: there are overrides.
    """
    if overrides:
        raise ValueError(
            f"--config_overrides {overrides} go with c3d or r2plus1d; {name} brings its own configuration"
        )


def from_scratch(
    name: str, overrides: str | None, classes: dict[str, Any] | None = None
) -> tuple[PreTrainedConfig, C3DVideoProcessor]:
    """The configuration of a `c3d` or `r2plus1d` with random weights, and the processor of its clips.

    Raises:
        ValueError: an override is wrong.
    """
    config = _config_from_scratch(name, overrides, classes or {})
    return config, C3DVideoProcessor(
        size={"shortest_edge": config.image_size},
        crop_size={"height": config.image_size, "width": config.image_size},
        num_frames=config.num_frames,
    )


def _config_from_scratch(name: str, overrides: str | None, classes: dict[str, Any]) -> PreTrainedConfig:
    # A comma separates two settings where the next one has a name, and two widths where it has not.
    settings = re.split(r",(?=[a-z_0-9]+=)", overrides) if overrides else []
    values = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        known = FROM_SCRATCH[name]().to_dict()
        if key not in known or not value:
            raise ValueError(f"--config_overrides: {setting!r} sets nothing of {name}; one that does: image_size=48")
        try:
            values[key] = yaml.safe_load(f"[{value}]" if isinstance(known[key], list | tuple) else value)
        except yaml.YAMLError:
            raise ValueError(f"--config_overrides: the value of {setting!r} can't be read") from None
    return FROM_SCRATCH[name](**values, **classes)


def _check_found(name: str) -> None:
    if Path(name).is_dir():
        return
    about = f"{name} is no folder here, and a name on the Hub has the form user/model"
    try:
        validate_repo_id(name)
    except HFValidationError:
        raise OSError(f"{about}; check the path") from None
    try:
        AutoConfig.from_pretrained(name)
    except OSError as error:
        raise OSError(f"{about}; the Hub did not give it: {' '.join(str(error).split())}") from error


def _pretrained(name: str, classes: dict[str, Any], labels: list[str]) -> tuple[PreTrainedModel, list[str]]:
    """The model, and its layers but the last whose weights are not, or not all, the checkpoint's."""
    before = AutoConfig.from_pretrained(name)
    with without_load_report():
        model, report = AutoModelForVideoClassification.from_pretrained(
            name, **classes, dtype=TRAINED_IN, ignore_mismatched_sizes=True, output_loading_info=True
        )
    absent = absent_weights(name, model, report)
    new_layers = sorted(layers_of(absent))
    old = [before.id2label[index] for index in range(before.num_labels)]
    if LAST_LAYER in new_layers:
        logger.warning("%s: new head of %d classes (%s), not trained yet", name, len(labels), ", ".join(new_layers))
    elif old != labels:
        last_layer(model).reset_parameters()
        logger.warning("%s was trained on other classes (%s …): new head", name, ", ".join(old[:3]))
    tell_partial_weights(name, model, report)
    return model, [layer for layer in new_layers if layer != LAST_LAYER]


def _check_pooled(name: str, encoder: PreTrainedModel, processor: BaseVideoProcessor) -> None:
    if not _is_pooled(encoder, processor):
        raise ValueError(
            f"{name}, a {encoder.config.model_type}, gives no pooled feature of a clip (pooler_output), which the "
            "objectives need; take an encoder that does, such as C3D, R(2+1)D or ViViT"
        )


def _is_pooled(encoder: PreTrainedModel, processor: BaseVideoProcessor) -> bool:
    clip = torch.zeros(1, frames_per_clip(encoder.config), 3, *ClipProcessor.size_of(processor))
    with torch.no_grad():
        return encoder(**{encoder.main_input_name: clip}).get("pooler_output") is not None
