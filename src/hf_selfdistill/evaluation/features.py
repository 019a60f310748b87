"""Features of whole videos from a frozen encoder: the mean over the clips of each video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer, TrainingArguments

from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.data.clips import UNREADABLE, TestingClips, collate_clips, video_name
from hf_selfdistill.models.features import LAST_LAYER, copy_encoder
from hf_selfdistill.models.layers import layers_of
from hf_selfdistill.models.modeling_video_encoder import VideoEncoderPreTrainedModel

__all__ = [
    "FeatureSet",
    "LayerFeatures",
    "MappedFeatures",
    "PooledFeatures",
    "SeveralFeatures",
    "VideoFeatures",
    "check_parts",
    "feature_set",
    "feature_trainer",
    "read_features",
    "several_video_features",
    "video_features",
]


@dataclass(frozen=True)
class FeatureSet:
    """Features of the readable videos of a data set.

    Args:
        features: pooled features `(V, dim)`, float32.
        labels: labels `(V,)`.
        groups: group of each video.
        places: index of each video in the data set.
        layers: features `(V, dim)` of each layer, by name; empty if layers are not measured.
    """

    features: Tensor
    labels: Tensor
    groups: list[str]
    places: list[int]
    layers: dict[str, Tensor] = field(default_factory=dict)


def check_parts(gallery: FeatureSet, queries: FeatureSet) -> None:
    """Raise a ValueError if there is no gallery or no query."""
    for name, part in (("gallery", gallery), ("query", queries)):
        if len(part.labels) == 0:
            raise ValueError(f"there is no {name} video with features; check that the videos can be read")


class VideoFeatures(nn.Module):
    """Frozen encoder for the Trainer's `predict`, with one row per video: the mean over its clips.

    Accelerate trims the last batch, gathered from all processes, by rows. So a row must be a video.

    Args:
        encoder: model of a batch of clips.
        read: function that takes the features `(clips, dim)` from the outputs of the encoder.
    """

    accepts_loss_kwargs = False

    def __init__(self, encoder: nn.Module, read: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.encoder = encoder.eval().requires_grad_(False)
        self.read = read

    def forward(self, labels: Tensor, **clips: Tensor) -> dict[str, Tensor]:
        """Encode videos, from labels `(B, K)` and inputs of the encoder `(B·K, T, C, H, W)`.

        Returns:
            `features (B, dim)` float32, and a `loss` of 0, without which the Trainer does not return labels.
        """
        features = self.read(self.encoder(**clips)).float()
        videos = features.view(*labels.shape, -1).mean(1)
        return {"loss": videos.new_zeros(()), "features": videos}


class PooledFeatures(VideoFeatures):
    """Inputs of a classifier's last layer, from a copy; without a head, the `pooler_output` of the encoder.

    Args:
        model: classifier, with or without adapters, or encoder.
    """

    def __init__(self, model: nn.Module) -> None:
        if isinstance(model, PreTrainedModel) and LAST_LAYER not in dict(model.named_children()):
            super().__init__(model, _pooler_output)
        else:
            super().__init__(copy_encoder(model), lambda outputs: outputs.logits.flatten(1))


class LayerFeatures(PooledFeatures):
    """Pooled features, and the mean of each layer's output over positions.

    Raises:
        ValueError: the encoder has no list of layers.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model)
        self._means: dict[str, Tensor] = {}
        for name, layer in layers_of(self.encoder).items():
            # The last two parts, `stages.0`, are the same with and without a head.
            layer.register_forward_hook(partial(self._keep, ".".join(name.split(".")[-2:])))

    def _keep(self, name: str, layer: nn.Module, inputs: Any, outputs: Any) -> None:
        maps = outputs[0] if isinstance(outputs, tuple) else outputs
        # (clips, tokens, dim) of a transformer, (clips, C, t, h, w) of convolutions
        self._means[name] = maps.float().mean(1) if maps.ndim == 3 else maps.float().flatten(2).mean(2)

    def forward(self, labels: Tensor, **clips: Tensor) -> dict[str, Tensor]:
        """Encode videos as `VideoFeatures` does, with `(B, dim)` of each layer by name."""
        outputs = super().forward(labels, **clips)
        return outputs | {name: mean.view(*labels.shape, -1).mean(1) for name, mean in self._means.items()}


class SeveralFeatures(nn.Module):
    """Several encoders on the same clips, so that each clip is read once."""

    accepts_loss_kwargs = False

    def __init__(self, *encoders: PooledFeatures) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)

    def forward(self, labels: Tensor, **clips: Tensor) -> dict[str, Any]:
        """Return a `loss` of 0, and the other outputs of each encoder in `encoders`."""
        outputs = [encoder(labels, **clips) for encoder in self.encoders]
        losses = [output.pop("loss") for output in outputs]
        return {"loss": losses[0], "encoders": outputs}


class MappedFeatures(VideoFeatures):
    """Last map of C3D or R(2+1)D, max-pooled over 2×2 positions of each frame and flattened, as in VCOP.

    Raises:
        ValueError: the model has no such map.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        if not isinstance(model, VideoEncoderPreTrainedModel):
            raise ValueError(
                f"{type(model).__name__} has no map over time and space, as C3D and R(2+1)D have; "
                "use `retrieval_protocol` rspnet"
            )
        super().__init__(model.base_model, _max_pooled_map)


def _pooler_output(outputs: Any) -> Tensor:
    if outputs.get("pooler_output") is None:
        raise ValueError(
            f"the encoder returns {', '.join(outputs)} and no pooler_output, so its features can't be found; "
            "use a classifier with this encoder (AutoModelForVideoClassification)"
        )
    return outputs.pooler_output.flatten(1)


def _max_pooled_map(outputs: Any) -> Tensor:
    maps = outputs.last_hidden_state  # (clips, C, t, h, w)
    height, width = maps.shape[3:]
    window = (1, min(2, height), min(2, width))  # small encoders end in one position
    return nn.functional.max_pool3d(maps, window).flatten(1)


def feature_trainer(model: VideoFeatures | SeveralFeatures, args: TrainingArguments) -> Trainer:
    """Return a Trainer for predictions, on one or more processes."""
    args.dataloader_drop_last = False  # recipes set it for training
    args.remove_unused_columns = False  # the Trainer can't know the columns behind `**clips`
    return Trainer(model, args, data_collator=collate_clips)


def read_features(
    model: VideoFeatures | SeveralFeatures, parts: Sequence[TestingClips], args: TrainingArguments, most: float
) -> tuple[list[Any], list[dict[str, str]], Trainer]:
    """Read the features of several parts; a collective call.

    Args:
        model: one encoder, or several encoders that see the same clips.
        parts: clips of each part; their records have a column `group`.
        args: devices, batch size and workers.
        most: largest allowed share of unreadable videos.

    Returns:
        The `FeatureSet` of each part, or a list of one per encoder; `video` and `reason` of each unreadable video; the
        trainer, whose `end` releases the processes' group.

    Raises:
        ValueError: too many videos can't be read, or features are not finite.
    """
    unreadable = UnreadableVideosCallback(*parts, most=most)
    trainer = feature_trainer(model, args)
    read = several_video_features if isinstance(model, SeveralFeatures) else video_features
    sets = [read(trainer, part) for part in parts]
    unreadable.check()
    return sets, unreadable.failures(), trainer


def video_features(trainer: Trainer, clips: TestingClips) -> FeatureSet:
    """Return the features of all readable videos; a collective call.

    Args:
        trainer: see `feature_trainer`.
        clips: clips of the videos; their records have a column `group`.
    """
    prediction = trainer.predict(clips)
    return feature_set({"features": prediction.predictions}, prediction.label_ids[:, 0], clips)


def several_video_features(trainer: Trainer, clips: TestingClips) -> list[FeatureSet]:
    """Return the features of each encoder of `SeveralFeatures`, with layers; a collective call."""
    prediction = trainer.predict(clips)
    return [feature_set(rows, prediction.label_ids[:, 0], clips) for rows in prediction.predictions]


def feature_set(
    rows: Mapping[str, Tensor | np.ndarray], labels: Tensor | np.ndarray, clips: TestingClips
) -> FeatureSet:
    """Return the features of the readable videos.

    Args:
        rows: pooled features `(V, dim)` as `features`, and the features of each layer by name.
        labels: labels `(V,)`.
        clips: clips of these videos; their records have a column `group`.

    Raises:
        ValueError: pooled features are not finite.
    """
    labels = torch.as_tensor(labels)
    counted = labels != UNREADABLE
    layers = {name: torch.as_tensor(part)[counted] for name, part in rows.items()}
    features = layers.pop("features")
    places, groups = counted.nonzero().flatten().tolist(), clips.records["group"]
    if lost := [place for place, row in zip(places, features.isfinite().all(1), strict=True) if not row]:
        raise ValueError(
            f"the features of {len(lost)} of {len(places)} videos are not finite, the first of "
            f"{video_name(clips.records, lost[0])}: the encoder has diverged; train it again with a lower "
            "`learning_rate` or clipped gradients (`max_grad_norm` 1.0)"
        )
    return FeatureSet(features, labels[counted], [groups[place] for place in places], places, layers)
