"""Frozen features: retrieval, a linear probe, nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets
import torch
from transformers import BaseVideoProcessor, PreTrainedModel, set_seed

from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.data.clips import TestingClips, video_name
from hf_selfdistill.data.origin import origin_of
from hf_selfdistill.data.sampling import clip_sampler, evenly_centred_clips
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.evaluation.features import (
    FeatureSet,
    MappedFeatures,
    PooledFeatures,
    VideoFeatures,
    feature_trainer,
    video_features,
)
from hf_selfdistill.evaluation.probe import TEMPERATURE, groups_to_choose_by, knn, linear_probe
from hf_selfdistill.evaluation.retrieval import nearest_first, retrieved
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.models.loading import load_for_features
from hf_selfdistill.models.video_processing_c3d import C3DVideoProcessor
from hf_selfdistill.runs.configs import EvaluateConfig
from hf_selfdistill.runs.gallery import describe_gallery, gallery_and_queries
from hf_selfdistill.training.clips import describe_clips, set_sampling, testing_clips

__all__ = ["evaluate_features", "vcop_processor"]

EXAMPLES, NEAREST = 12, 5  # retrieval examples, and neighbours of each


def evaluate_features(config: EvaluateConfig, videos: datasets.DatasetDict) -> dict[str, Any]:
    """Return the results of a task, the protocol, and the videos that could not be read.

    Raises:
        ValueError: the data set, the model and the task do not fit, or too many videos can't be read.
        OSError: there is no such model.
    """
    vcop = config.retrieval_protocol == "vcop"
    gallery, queries, gallery_name = gallery_and_queries(videos, config.part)
    if config.task == "linear_probe":
        groups_to_choose_by(gallery["label"][:], gallery["group"][:])  # the probe needs them: refuse early
    set_seed(config.seed)  # of random weights
    model, processor = load_for_features(config.model_name_or_path, config.config_overrides)
    set_sampling(processor, config)
    encoder: VideoFeatures = MappedFeatures(model) if vcop else PooledFeatures(model)
    clips = [
        (_vcop_clips if vcop else testing_clips)(records, model, processor, config.num_clips)
        for records in (gallery, queries)
    ]
    unreadable = UnreadableVideosCallback(*clips, most=config.max_unreadable)
    trainer = feature_trainer(encoder, config)
    known, asked = (video_features(trainer, part) for part in clips)
    unreadable.check()
    failed = unreadable.failures()  # before the end of the processes' group
    values, how = TASKS[config.task](known, asked)
    if config.task == "retrieval":
        values |= {"neighbours": _neighbours(known, asked, gallery, queries)}
    trainer.end()
    pictures = _pictures(processor) if vcop else "centre crop, pooled feature"
    return {
        **values,
        "num_videos": len(asked.labels),
        "protocol": (
            f"{describe_gallery(origin_of(queries), config.part, len(known.labels), gallery_name)}, "
            f"{describe_clips(config.num_clips, model, processor)}, {pictures}, mean over clips; {how}"
        ),
        "failed": failed,
    }


def _retrieval(known: FeatureSet, asked: FeatureSet) -> tuple[dict[str, Any], str]:
    hits = retrieved(known, asked)
    values = {f"retrieval_{name}": hit.double().mean().item() for name, hit in hits.items()}
    return values, "share of videos with one of their class among the k nearest by cosine"


def _neighbours(
    known: FeatureSet, asked: FeatureSet, gallery: datasets.Dataset, queries: datasets.Dataset
) -> list[dict[str, Any]]:
    """Return some queries, evenly spaced over the part so that nobody picks the good ones, and their neighbours."""
    chosen = torch.linspace(0, len(asked.labels) - 1, min(EXAMPLES, len(asked.labels))).round().long()
    ((cosines, order),) = nearest_first(asked.features[chosen], known.features)
    return [
        {
            **_video(queries, asked.places[query]),
            "nearest": [
                {**_video(gallery, known.places[place]), "cosine": round(cosine, 4)}
                for cosine, place in zip(near_cosines[:NEAREST].tolist(), near[:NEAREST].tolist(), strict=True)
            ],
        }
        for query, near_cosines, near in zip(chosen.tolist(), cosines, order, strict=True)
    ]


def _video(records: datasets.Dataset, place: int) -> dict[str, str]:
    return {"video": video_name(records, place), "label": records.features["label"].int2str(records[place]["label"])}


def _linear_probe(known: FeatureSet, asked: FeatureSet) -> tuple[dict[str, float], str]:
    result = linear_probe(known, asked)
    how = f"logistic regression on standardised features, L2 strength {result.setting:g} chosen on held-out groups"
    return {"linear_probe_top1": result.accuracy}, how


def _knn(known: FeatureSet, asked: FeatureSet) -> tuple[dict[str, float], str]:
    result = knn(known, asked)
    how = f"{result.setting:g} nearest by cosine, votes weighted exp(cosine / {TEMPERATURE})"
    return {"knn_top1": result.accuracy}, how


TASKS: dict[str, Callable[[FeatureSet, FeatureSet], tuple[dict[str, Any], str]]] = {
    "retrieval": _retrieval,
    "linear_probe": _linear_probe,
    "knn": _knn,
}


def _vcop_clips(
    records: datasets.Dataset,
    model: PreTrainedModel,
    processor: BaseVideoProcessor,
    num_clips: int,
) -> TestingClips:
    rate = ClipProcessor.sampling_of(processor)
    sampler = clip_sampler(num_clips, frames_per_clip(model.config), *rate, spread=evenly_centred_clips)
    return TestingClips(records, sampler, ClipProcessor(vcop_processor(processor)), model.main_input_name)


def vcop_processor(processor: BaseVideoProcessor) -> C3DVideoProcessor:
    """Return VCOP's processor at the model's size s: resized to 128/112·s × 171/112·s, centre s × s, in [0, 1]."""
    side, _ = ClipProcessor.size_of(processor)
    return C3DVideoProcessor(
        size={"height": round(side * 128 / 112), "width": round(side * 171 / 112)},
        crop_size={"height": side, "width": side},
        do_normalize=False,
    )


def _pictures(processor: BaseVideoProcessor) -> str:
    vcop = vcop_processor(processor)
    return (
        f"resized to {vcop.size['height']}×{vcop.size['width']}, centre crop {vcop.crop_size['height']}, in 0 … 1, "
        "last map max-pooled 1×2×2"
    )
