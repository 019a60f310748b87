"""Features of whole videos from a frozen encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel, Trainer, TrainingArguments

from hf_selfdistill.data.clips import UNREADABLE, TestingClips, collate_clips
from hf_selfdistill.evaluation.multi_clip import rows_of_videos
from hf_selfdistill.models.features import LAST_LAYER, copy_encoder

__all__ = ["FeatureExtractor", "VideoFeatures", "video_features"]

Pooling = Literal["mean", "vcop"]


@dataclass
class VideoFeatures:
    """Features of the videos that could be read.

    Attributes:
        features: the mean over a video's clips, `(videos, dim)`, float32.
        labels: `(videos,)`.
        groups: of each video.
        rows: place of each video in its data set.
    """

    features: Tensor
    labels: Tensor
    groups: list[str]
    rows: list[int]


class FeatureExtractor(nn.Module):
    """Clips to features, as a model that a Trainer can predict with.

    Args:
        model: a video classifier, whose features are those in front of its last layer, or a bare encoder that returns
            `pooler_output` (and `last_hidden_state` `(clips, C, t, h, w)` for `"vcop"`).
        pooling: `"mean"`, the pooled features, or `"vcop"`: the last map, its maxima over 2×2 places, flattened.
    """

    def __init__(self, model: PreTrainedModel, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.classifies = LAST_LAYER in dict(model.named_children())
        if self.classifies and pooling == "vcop":
            model, self.classifies = model.base_model, False
        self.encoder = copy_encoder(model) if self.classifies else model
        self.pooling = pooling
        self.eval().requires_grad_(False)

    def forward(self, labels: Tensor | None = None, **inputs: Tensor) -> dict[str, Tensor]:
        """`logits`, which are the features `(clips, dim)`, and the loss that a Trainer asks for."""
        output = self.encoder(**inputs)
        if self.classifies:
            features = output.logits.flatten(1)
        elif self.pooling == "mean":
            features = output.pooler_output
        else:
            features = F.max_pool3d(output.last_hidden_state, (1, 2, 2), ceil_mode=True).flatten(1)
        return {"loss": features.new_zeros(()), "logits": features}


def video_features(extractor: FeatureExtractor, clips: TestingClips, args: TrainingArguments) -> VideoFeatures:
    """Features of every video that can be read, on any number of processes.

    Args:
        extractor: see there.
        clips: K clips of each video; the features of a video are the mean over its clips.
        args: batch size, device, workers.
    """
    # All clips; and the extractor's signature does not name what the encoder takes.
    args.dataloader_drop_last = args.remove_unused_columns = False
    trainer = Trainer(
        extractor,
        args,
        data_collator=collate_clips,
        compute_metrics=lambda prediction: {},
        preprocess_logits_for_metrics=_means_of_videos,
    )
    prediction: Any = trainer.predict(clips)
    labels = torch.as_tensor(prediction.label_ids[:, 0])
    rows = labels.ne(UNREADABLE).nonzero().flatten().tolist()
    groups = clips.records["group"][:] if "group" in clips.records.column_names else list(map(str, range(len(clips))))
    features = torch.as_tensor(prediction.predictions)[rows]
    return VideoFeatures(features, labels[rows], [groups[row] for row in rows], rows)


def _means_of_videos(logits: Tensor, labels: Tensor) -> Tensor:
    return rows_of_videos(logits, labels).float().mean(1)  # (videos, dim)
