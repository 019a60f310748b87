"""Loading of models by name, each with its video processor."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import torch
import yaml
from transformers import (
    AutoModel,
    AutoModelForVideoClassification,
    AutoVideoProcessor,
    BaseVideoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING

from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.models.adapters import add_lora
from hf_selfdistill.models.configuration_c3d import C3DConfig
from hf_selfdistill.models.configuration_r2plus1d import R2Plus1DConfig
from hf_selfdistill.models.features import LAST_LAYER, last_layer
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.models.load_report import (
    absent_keys,
    absent_weights,
    check_weights_fit,
    layers_of,
    warn_of_partial_weights,
    without_load_report,
)
from hf_selfdistill.models.untrusted import load_config, load_part, load_weights
from hf_selfdistill.models.video_processing_c3d import C3DVideoProcessor

if TYPE_CHECKING:
    from peft import PeftModel

__all__ = [
    "FROM_SCRATCH",
    "from_scratch",
    "load_classifier",
    "load_encoder",
    "load_for_features",
    "load_for_inference",
    "processor_of",
    "refuse_overrides",
]

logger = logging.getLogger(__name__)

FROM_SCRATCH: dict[str, type[PreTrainedConfig]] = {"c3d": C3DConfig, "r2plus1d": R2Plus1DConfig}


def load_classifier(
    name: str,
    labels: list[str],
    config_overrides: str | None = None,
    lora_rank: int | None = None,
    lora_target_modules: str | None = None,
) -> tuple[PreTrainedModel | PeftModel, BaseVideoProcessor]:
    """Load a model with a head for the given classes, and its video processor.

    Args:
        name: `c3d` or `r2plus1d` (random weights), a folder, or a name on the Hub.
        labels: names of the classes, in the order of their indices.
        config_overrides: settings of a network with random weights, such as `image_size=48,num_frames=8`.
        lora_rank: rank of LoRA adapters. They are trained in place of the encoder; None trains the whole model.
        lora_target_modules: names of the layers that get adapters, separated by commas; by default all linear layers.

    Raises:
        ValueError: an override is wrong, or the model can't have adapters.
        OSError: there is no such model.
    """
    if lora_target_modules and lora_rank is None:
        raise ValueError(f"`lora_target_modules` is {lora_target_modules}, but `lora_rank` is not given; give both")
    classes: dict[str, Any] = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    new_layers = list[str]()
    if name in FROM_SCRATCH:
        config, processor = from_scratch(name, config_overrides, classes)
        model = AutoModelForVideoClassification.from_config(config)
    else:
        refuse_overrides(name, config_overrides)
        config = load_config(name)
        processor = load_part(AutoVideoProcessor, name)
        model, new_layers = _pretrained(name, config, classes, labels)
    if lora_rank is not None:
        targets = lora_target_modules.split(",") if lora_target_modules else None
        return add_lora(model, lora_rank, targets, new_layers), processor
    return model, processor


def load_for_inference(name: str) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """Load a fine-tuned classifier in evaluation mode, and its processor.

    Raises:
        ValueError: the model is an encoder without a trained head.
        OSError: there is no such model.
    """
    load_config(name)
    model, report = load_weights(AutoModelForVideoClassification, name)
    absent = absent_weights(name, model, report)
    if absent:
        raise ValueError(
            f"{name} lacks {', '.join(absent)}: it is not a fine-tuned classifier; "
            f"fine-tune it first: hf-selfdistill finetune --model_name_or_path {name}"
        )
    return model.eval(), load_part(AutoVideoProcessor, name)


def load_for_features(name: str, overrides: str | None = None) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """Load a model for its features, with or without a head, and its processor.

    Raises:
        ValueError: an override is wrong, or the weights do not fit the configuration.
        OSError: there is no such model.
    """
    if name in FROM_SCRATCH:
        config, processor = from_scratch(name, overrides)
        return AutoModel.from_config(config).eval(), processor
    refuse_overrides(name, overrides)
    architectures = load_config(name).architectures or []
    if any(architecture.endswith("ForVideoClassification") for architecture in architectures):
        return load_for_inference(name)
    model, report = load_weights(AutoModel, name)
    check_weights_fit(name, model, sorted(absent_keys(report)))
    processor = load_part(AutoVideoProcessor, name)
    if type(model.config) in MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING and not _is_pooled(model, processor):
        # The classifier defines the feature of a clip. If the checkpoint has no head, a random head stays unused.
        model, _ = load_weights(AutoModelForVideoClassification, name)
    return model.eval(), processor


def load_encoder(name: str, overrides: str | None = None) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """Load an encoder, or the encoder of a classifier, and its video processor.

    Args:
        name: `c3d` or `r2plus1d` (random weights), a folder, or a name on the Hub.
        overrides: settings of a network with random weights, such as `image_size=48,num_frames=8`.

    Raises:
        ValueError: an override is wrong, the weights do not fit the configuration, or the model gives no pooled
            feature of a clip.
        OSError: there is no such model.
    """
    if name in FROM_SCRATCH:
        config, processor = from_scratch(name, overrides)
        return AutoModel.from_config(config), processor
    refuse_overrides(name, overrides)
    load_config(name)
    encoder, report = load_weights(AutoModel, name)
    absent = absent_keys(report)
    pooler = {key for key in report["missing_keys"] if key.startswith("pooler.")}
    check_weights_fit(name, encoder, sorted(absent - pooler))
    if pooler:  # some classifiers, such as ViViT's, have no pooler
        logger.warning("%s lacks weights of its pooler: they start at random", name)
    processor = load_part(AutoVideoProcessor, name)
    if not _is_pooled(encoder, processor):
        raise ValueError(
            f"{name}, a {encoder.config.model_type}, has no pooled feature of a clip (pooler_output), but the "
            "objectives need one; use another encoder, such as C3D, R(2+1)D or ViViT"
        )
    return encoder, processor


def processor_of(model: PreTrainedModel) -> BaseVideoProcessor:
    """Return the video processor saved with a model; an unsaved C3D or R(2+1)D gets one from its configuration.

    Raises:
        ValueError: the model has no video processor.
    """
    config = model.config
    if model.name_or_path:
        return load_part(AutoVideoProcessor, model.name_or_path)
    if config.model_type not in FROM_SCRATCH:
        raise ValueError("`processing_class` is missing; give the video processor of the model")
    return _processor_for(config)


def refuse_overrides(name: str, overrides: str | None) -> None:
    """Refuse overrides for a model that is loaded with its configuration.

    Raises:
        ValueError: overrides are given.
    """
    if overrides:
        raise ValueError(
            f"`config_overrides` is {overrides}, but {name} is loaded with its configuration; remove it, or use c3d "
            "or r2plus1d"
        )


def from_scratch(
    name: str, overrides: str | None, classes: dict[str, Any] | None = None
) -> tuple[PreTrainedConfig, C3DVideoProcessor]:
    """Return the configuration of a `c3d` or `r2plus1d` with random weights, and its video processor.

    Args:
        name: `c3d` or `r2plus1d`.
        overrides: settings of the network, such as `image_size=48,num_frames=8`.
        classes: `id2label` and `label2id` of a classifier.

    Raises:
        ValueError: an override is wrong.
    """
    # A comma before `name=` separates two settings; other commas separate two widths.
    settings = re.split(r",(?=[a-z_0-9]+=)", overrides) if overrides else []
    values = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        known = FROM_SCRATCH[name]().to_dict()
        if key not in known or not value:
            raise ValueError(
                f"`config_overrides`: {setting!r} sets nothing of {name}; give settings such as image_size=48"
            )
        try:
            values[key] = yaml.safe_load(f"[{value}]" if isinstance(known[key], list | tuple) else value)
        except yaml.YAMLError:
            raise ValueError(f"`config_overrides`: the value of {setting!r} can't be read") from None
    config = FROM_SCRATCH[name](**values, **(classes or {}))
    return config, _processor_for(config)


def _processor_for(config: PreTrainedConfig) -> C3DVideoProcessor:
    side = config.image_size
    sizes = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    return C3DVideoProcessor(antialias=False, num_frames=config.num_frames, **sizes)


def _pretrained(
    name: str, before: PreTrainedConfig, classes: dict[str, Any], labels: list[str]
) -> tuple[PreTrainedModel, list[str]]:
    """Return the model, and the layers (the last one excluded) that lack some weights in the checkpoint."""
    with without_load_report():
        model, report = load_weights(AutoModelForVideoClassification, name, **classes)
    absent = absent_weights(name, model, report)
    new_layers = sorted(layers_of(absent))
    old = [before.id2label[index] for index in range(before.num_labels)]
    if LAST_LAYER in new_layers:
        logger.warning("%s: new head of %d classes (%s), not trained yet", name, len(labels), ", ".join(new_layers))
    elif old != labels:
        last_layer(model).reset_parameters()
        logger.warning("%s was trained on other classes (%s …): new head", name, ", ".join(old[:3]))
    warn_of_partial_weights(name, model, report)
    return model, [layer for layer in new_layers if layer != LAST_LAYER]


def _is_pooled(encoder: PreTrainedModel, processor: BaseVideoProcessor) -> bool:
    clip = torch.zeros(1, frames_per_clip(encoder.config), 3, *ClipProcessor.size_of(processor))
    with torch.no_grad():
        return encoder(**{encoder.main_input_name: clip}).get("pooler_output") is not None
