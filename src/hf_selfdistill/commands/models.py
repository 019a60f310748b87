"""From the name of a model to a classifier with its video processor."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Any, Optional

import torch
import yaml
from transformers import (
    AutoConfig,
    AutoModelForVideoClassification,
    AutoVideoProcessor,
    BaseVideoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)

from hf_selfdistill.models import C3DConfig, C3DVideoProcessor, R2Plus1DConfig
from hf_selfdistill.models.features import last_layer

__all__ = ["ModelArguments", "frames_per_clip", "load_classifier", "load_for_inference"]

logger = logging.getLogger(__name__)

FROM_SCRATCH: dict[str, type[PreTrainedConfig]] = {"c3d": C3DConfig, "r2plus1d": R2Plus1DConfig}
FRAMES = ("num_frames", "frames_per_clip")  # what configs of transformers call the length of a clip


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


def load_classifier(args: ModelArguments, labels: list[str]) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """A classifier of these classes, and the processor of its clips.

    Raises:
        ValueError: an override is wrong.
        OSError: there is no such model.
    """
    classes: dict[str, Any] = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    name = args.model_name_or_path
    if name in FROM_SCRATCH:
        config = _config_from_scratch(name, args.config_overrides, classes)
        model = AutoModelForVideoClassification.from_config(config)
        processor = C3DVideoProcessor(
            size={"shortest_edge": config.image_size},
            crop_size={"height": config.image_size, "width": config.image_size},
        )
    elif args.config_overrides:
        raise ValueError(
            f"--config_overrides {args.config_overrides} go with c3d or r2plus1d; {name} brings its own configuration"
        )
    else:
        processor = AutoVideoProcessor.from_pretrained(name)
        model = _pretrained(name, classes, labels)
    return in_its_memory_format(model), processor


def load_for_inference(name: str) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """A fine-tuned classifier as it is, in evaluation mode, and its processor.

    Raises:
        ValueError: the model is an encoder without a trained head.
        OSError: there is no such model.
    """
    model, report = AutoModelForVideoClassification.from_pretrained(name, output_loading_info=True)
    if report["missing_keys"]:
        raise ValueError(
            f"{name} lacks {', '.join(sorted(report['missing_keys']))}: it is not a fine-tuned classifier; "
            "fine-tune it first (scripts/finetune.py --model_name_or_path …)"
        )
    return in_its_memory_format(model.eval()), AutoVideoProcessor.from_pretrained(name)


def in_its_memory_format(model: PreTrainedModel) -> PreTrainedModel:
    """C3D with channels-last weights, which its convolutions and poolings run faster on; others as they are."""
    return model.to(memory_format=torch.channels_last_3d) if model.config.model_type == "c3d" else model


def frames_per_clip(config: PreTrainedConfig) -> int:
    """How many frames a model takes.

    Raises:
        ValueError: its configuration does not say.
    """
    for name in FRAMES:
        if name in config.to_dict():
            return int(getattr(config, name))
    raise ValueError(f"the configuration of this {config.model_type} has none of {', '.join(FRAMES)}")


def _config_from_scratch(name: str, overrides: str | None, classes: dict[str, Any]) -> PreTrainedConfig:
    # A comma separates two settings where the next one has a name, and two widths where it has not.
    settings = re.split(r",(?=[a-z_0-9]+=)", overrides) if overrides else []
    values = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        known = FROM_SCRATCH[name]().to_dict()
        if key not in known or not value:
            raise ValueError(f"--config_overrides: {setting!r} sets nothing of {name}; one that does: image_size=48")
        values[key] = yaml.safe_load(f"[{value}]" if isinstance(known[key], list | tuple) else value)
    return FROM_SCRATCH[name](**values, **classes)


def _pretrained(name: str, classes: dict[str, Any], labels: list[str]) -> PreTrainedModel:
    before = AutoConfig.from_pretrained(name)
    model, report = AutoModelForVideoClassification.from_pretrained(
        name, **classes, ignore_mismatched_sizes=True, output_loading_info=True
    )
    old = [before.id2label[index] for index in range(before.num_labels)]
    if report["missing_keys"] or report["mismatched_keys"]:
        logger.warning("%s: new head of %d classes, not trained yet", name, len(labels))
    elif old != labels:
        last_layer(model).reset_parameters()
        logger.warning("%s was trained on other classes (%s …): new head", name, ", ".join(old[:3]))
    return model
