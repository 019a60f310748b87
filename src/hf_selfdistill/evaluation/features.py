"""What a frozen encoder makes of whole videos: one feature each, the mean over its clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer, TrainingArguments
from transformers.trainer_utils import PredictionOutput

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
    "feature_set",
    "feature_trainer",
    "several_video_features",
    "video_features",
]


@dataclass(frozen=True)
class FeatureSet:
    """Features of the videos that could be read.

    Args:
        features: `(V, dim)` float32.
        labels: `(V,)`.
        groups: source of each video.
        places: of each video in the data set.
        layers: of each layer of the encoder, by name, features like those of `features`; empty where not asked for.
    """

    features: Tensor
    labels: Tensor
    groups: list[str]
    places: list[int]
    layers: dict[str, Tensor] = field(default_factory=dict)


class VideoFeatures(nn.Module):
    """A frozen encoder as the Trainer's `predict` takes it: one row per video, its clips' mean.

    Accelerate trims the last batch, gathered from all processes, by rows; a row must therefore be a video.

    Args:
        encoder: takes a batch of clips.
        read: the features `(clips, dim)` in what it returns.
    """

    accepts_loss_kwargs = False

    def __init__(self, encoder: nn.Module, read: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.encoder = encoder.eval().requires_grad_(False)
        self.read = read

    def forward(self, labels: Tensor, **clips: Tensor) -> dict[str, Tensor]:
        """Encodes videos.

        Args:
            labels: `(B, K)`, which say how many clips a video has.
            **clips: what the encoder takes, `(B·K, T, C, H, W)`.

        Returns:
            `features (B, dim)` float32, and a `loss` of 0, without which the Trainer does not hand labels on.
        """
        features = self.read(self.encoder(**clips)).float()
        videos = features.view(*labels.shape, -1).mean(1)
        return {"loss": videos.new_zeros(()), "features": videos}


class PooledFeatures(VideoFeatures):
    """What the last layer of a classifier receives, in a copy; of an encoder without a head its `pooler_output`.

    Args:
        model: a classifier, also with adapters, or an encoder.
    """

    def __init__(self, model: nn.Module) -> None:
        if isinstance(model, PreTrainedModel) and LAST_LAYER not in dict(model.named_children()):
            super().__init__(model, _pooler_output)
        else:
            super().__init__(copy_encoder(model), _logits)


class LayerFeatures(PooledFeatures):
    """Pooled features, and the mean over positions of what each layer gives.

    Raises:
        ValueError: the encoder has no list of layers.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model)
        self.layers: list[str] = []
        self._means: dict[str, Tensor] = {}
        for name, layer in layers_of(self.encoder).items():
            # `stages.0` whether the model has a head or not, which puts a name in front
            layer.register_forward_hook(partial(self._keep, ".".join(name.split(".")[-2:])))

    def _keep(self, name: str, layer: nn.Module, inputs: Any, outputs: Any) -> None:
        maps = outputs[0] if isinstance(outputs, tuple) else outputs
        # (clips, tokens, dim) of a transformer, (clips, C, t, h, w) of convolutions
        self._means[name] = maps.float().mean(1) if maps.ndim == 3 else maps.float().flatten(2).mean(2)

    def forward(self, labels: Tensor, **clips: Tensor) -> dict[str, Tensor]:
        """As `VideoFeatures.forward`, with `(B, dim)` of each layer by its name."""
        outputs = super().forward(labels, **clips)
        self.layers = list(self._means)
        return outputs | {name: mean.view(*labels.shape, -1).mean(1) for name, mean in self._means.items()}


class SeveralFeatures(nn.Module):
    """Several encoders on the same clips, which are read once for all."""

    accepts_loss_kwargs = False

    def __init__(self, *encoders: LayerFeatures) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)

    def forward(self, labels: Tensor, **clips: Tensor) -> dict[str, Tensor]:
        """As each encoder's `forward`, with the encoder's number in front of the names."""
        outputs: dict[str, Tensor] = {}
        for number, encoder in enumerate(self.encoders):
            loss, *rest = encoder(labels, **clips).items()
            outputs |= dict([loss]) | {f"{number}.{name}": rows for name, rows in rest}
        return outputs


class MappedFeatures(VideoFeatures):
    """The last map of C3D or R(2+1)D, max-pooled over 2×2 positions of each frame and flattened, as VCOP retrieves.

    Raises:
        ValueError: the model has no such map.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        if not isinstance(model, VideoEncoderPreTrainedModel):
            raise ValueError(
                f"{type(model).__name__} has no map over time and space, as C3D and R(2+1)D have; "
                "use --retrieval_protocol rspnet"
            )
        super().__init__(model.base_model, _max_pooled_map)


def _logits(outputs: Any) -> Tensor:
    return outputs.logits.flatten(1)


def _pooler_output(outputs: Any) -> Tensor:
    if outputs.get("pooler_output") is None:
        raise ValueError(
            f"the encoder returns {', '.join(outputs)} and no pooler_output, so what its feature is is not known; "
            "take a classifier of it (AutoModelForVideoClassification)"
        )
    return outputs.pooler_output.flatten(1)


def _max_pooled_map(outputs: Any) -> Tensor:
    maps = outputs.last_hidden_state  # (clips, C, t, h, w)
    height, width = maps.shape[3:]
    window = (1, min(2, height), min(2, width))  # encoders of small pictures end in one position
    return nn.functional.max_pool3d(maps, window).flatten(1)


def feature_trainer(model: VideoFeatures | SeveralFeatures, args: TrainingArguments) -> Trainer:
    """A Trainer that only predicts, on however many processes."""
    args.dataloader_drop_last = False  # recipes set it, for training
    args.remove_unused_columns = False  # the Trainer can't know what `**clips` uses
    return Trainer(model, args, data_collator=collate_clips)


def video_features(trainer: Trainer, clips: TestingClips) -> FeatureSet:
    """Features of all videos that can be read, in their order; a collective call.

    Args:
        trainer: see `feature_trainer`.
        clips: their records have a column `group`.
    """
    prediction = trainer.predict(clips)
    return feature_set(_tensors(prediction.predictions), _labels(prediction), clips)


def several_video_features(trainer: Trainer, clips: TestingClips) -> list[FeatureSet]:
    """The same of each encoder of `SeveralFeatures`, with its layers."""
    prediction, start = trainer.predict(clips), 0
    sets = []
    for encoder in trainer.model.encoders:
        rows = prediction.predictions[start : start + 1 + len(encoder.layers)]
        sets.append(feature_set(_tensors(*rows), _labels(prediction), clips, encoder.layers))
        start += len(rows)
    return sets


def _tensors(*rows: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(part) for part in rows]


def _labels(prediction: PredictionOutput) -> Tensor:
    return torch.from_numpy(prediction.label_ids)[:, 0]


def feature_set(rows: Sequence[Tensor], labels: Tensor, clips: TestingClips, layers: Sequence[str] = ()) -> FeatureSet:
    """What was found of all videos, those that can't be read left out.

    Args:
        rows: features `(V, dim)`, then those of each layer.
        labels: `(V,)`.
        clips: of these videos in this order; their records have a column `group`.
        layers: names.

    Raises:
        ValueError: features are not finite.
    """
    counted = labels != UNREADABLE
    features, *of_layers = (part[counted] for part in rows)
    places, groups = counted.nonzero().flatten().tolist(), clips.records["group"]
    if lost := [place for place, row in zip(places, features.isfinite().all(1), strict=True) if not row]:
        raise ValueError(
            f"the features of {len(lost)} of {len(places)} videos are not finite, of "
            f"{video_name(clips.records, lost[0])} among others: the encoder has diverged; train it again with a "
            "lower --learning_rate or clipped gradients (--max_grad_norm 1.0)"
        )
    return FeatureSet(
        features,
        labels[counted],
        [groups[place] for place in places],
        places,
        dict(zip(layers, of_layers, strict=True)),
    )
