"""Evaluation of frozen features: retrieval, linear probe, nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets
import torch
from transformers import set_seed

from hf_selfdistill.data.origin import relative_name
from hf_selfdistill.evaluation.features import FeatureSet, MappedFeatures, PooledFeatures, VideoFeatures, read_features
from hf_selfdistill.evaluation.forgetting import chance
from hf_selfdistill.evaluation.probe import TEMPERATURE, groups_to_choose_by, knn, linear_probe
from hf_selfdistill.evaluation.retrieval import nearest_first, retrieved
from hf_selfdistill.models.loading import load_for_features
from hf_selfdistill.runs.configs import EvaluateConfig
from hf_selfdistill.runs.gallery import describe_gallery, gallery_and_queries
from hf_selfdistill.runs.vcop import describe_vcop, vcop_clips
from hf_selfdistill.training.clips import describe_clips, set_sampling, testing_clips

__all__ = ["evaluate_features"]

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
        groups_to_choose_by(gallery["label"][:], gallery["group"][:])  # fail early: the probe needs groups
    set_seed(config.seed)  # for random weights
    model, processor = load_for_features(config.model_name_or_path, config.config_overrides)
    set_sampling(processor, config)
    encoder: VideoFeatures = MappedFeatures(model) if vcop else PooledFeatures(model)
    clips_of = vcop_clips if vcop else testing_clips
    clips = [clips_of(records, model, processor, config.num_clips) for records in (gallery, queries)]
    (known, asked), failed, trainer = read_features(encoder, clips, config, config.max_unreadable)
    values, how = TASKS[config.task](known, asked)
    if config.task == "retrieval":
        values |= {"neighbours": _neighbours(known, asked, gallery, queries)}
    trainer.end()
    pictures = describe_vcop(processor) if vcop else "centre crop, pooled feature"
    return {
        **values,
        "num_videos": len(asked.labels),
        "protocol": (
            f"{describe_gallery(queries, config.part, len(known.labels), gallery_name)}, "
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
    """Return examples of queries, evenly spaced over the part, with their nearest neighbours."""
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
    label = records.features["label"].int2str(records[place]["label"])
    return {"video": relative_name(records, place), "label": label}


def _linear_probe(known: FeatureSet, asked: FeatureSet) -> tuple[dict[str, float], str]:
    result = linear_probe(known, asked)
    how = (
        f"logistic regression on standardised features, L2 strength {result.setting:g} chosen on held-out groups; "
        f"chance is {100 * chance(known, asked):.1f} %"
    )
    return {"linear_probe_top1": result.accuracy}, how


def _knn(known: FeatureSet, asked: FeatureSet) -> tuple[dict[str, float], str]:
    result = knn(known, asked)
    how = (
        f"{result.setting:g} nearest by cosine, votes weighted exp(cosine / {TEMPERATURE}); "
        f"chance is {100 * chance(known, asked):.1f} %"
    )
    return {"knn_top1": result.accuracy}, how


TASKS: dict[str, Callable[[FeatureSet, FeatureSet], tuple[dict[str, Any], str]]] = {
    "retrieval": _retrieval,
    "linear_probe": _linear_probe,
    "knn": _knn,
}
