"""Features of videos in the middle of a training run."""

from __future__ import annotations

from typing import Any

import torch
from accelerate.utils import gather_object
from torch.utils.data import DataLoader, Subset
from transformers import Trainer

from hf_selfdistill.data.clips import TestingClips, collate_clips
from hf_selfdistill.evaluation.features import FeatureSet, VideoFeatures, feature_set

__all__ = ["features_in_training"]


@torch.no_grad()
def features_in_training(trainer: Trainer, clips: TestingClips, *encoders: VideoFeatures) -> list[FeatureSet]:
    """Return the features of all readable videos under each encoder, on every process; a collective call.

    Each process computes its share. The model in training and the global random generators do not change.

    Args:
        trainer: the trainer, with the devices, the batch size and the precision.
        clips: clips of the videos; their records have a column `group`.
        encoders: encoders on the device of the trainer; each clip is read once for all of them.

    Raises:
        ValueError: features are not finite.
    """
    args = trainer.args
    mine = torch.arange(args.process_index, len(clips), args.world_size)
    loader = DataLoader(
        Subset(clips, mine.tolist()),
        args.per_device_eval_batch_size,
        num_workers=args.dataloader_num_workers,
        collate_fn=collate_clips,
        generator=torch.Generator(),  # instead of the global generator
    )
    batches: list[Any] = []
    for places, batch in zip(mine.split(args.per_device_eval_batch_size), loader, strict=False):
        inputs = {name: value.to(args.device) for name, value in batch.items()}
        with trainer.accelerator.autocast():
            features = torch.stack([encoder(**inputs)["features"] for encoder in encoders], dim=1)
        batches.append((places, batch["labels"][:, 0], features.cpu()))
    places, labels, features = (torch.cat(part) for part in zip(*gather_object(batches), strict=True))
    order = places.argsort()
    return [feature_set({"features": one[order]}, labels[order], clips) for one in features.unbind(1)]
