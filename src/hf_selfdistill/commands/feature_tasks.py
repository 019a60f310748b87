"""What an encoder knows without being trained any further: retrieval, a linear probe, nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets
import torch
import transformers
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.commands.cards import against_in_words, clips_in_words
from hf_selfdistill.commands.datasets import DatasetArguments, SamplingArguments, sampling_rate, testing_clips
from hf_selfdistill.commands.testing import Evaluation
from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.data.clips import TestingClips, video_name
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
from hf_selfdistill.evaluation.retrieval import nearest_first, retrieval_accuracy
from hf_selfdistill.models import C3DVideoProcessor
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.models.loading import load_for_features

__all__ = ["evaluate_features", "gallery_and_queries", "vcop_processor"]

EXAMPLES, NEAREST = 12, 5  # of retrieval, to look at


def evaluate_features(evaluation: Evaluation) -> dict[str, Any]:
    """Figures of a task, the protocol, and the videos that could not be read.

    Raises:
        ValueError: the data set, the model and the task do not fit, or too many videos can't be read.
        OSError: there is no such model.
    """
    test, features, _, data, sampling, args = evaluation
    vcop = features.retrieval_protocol == "vcop"
    with args.main_process_first(desc="loading the data set"):
        gallery, queries, gallery_name = gallery_and_queries(data.load(), test.part, data)
    if test.task == "linear_probe":
        groups_to_choose_by(gallery["label"][:], gallery["group"][:])  # which it will need
    transformers.set_seed(args.seed)  # of random weights
    model, processor = load_for_features(test.model_name_or_path, features.config_overrides)
    encoder: VideoFeatures = MappedFeatures(model) if vcop else PooledFeatures(model)
    clips = [
        (_vcop_clips if vcop else testing_clips)(records, model, processor, sampling, test.num_clips)
        for records in (gallery, queries)
    ]
    unreadable = UnreadableVideosCallback(*clips, most=data.max_unreadable)
    trainer = feature_trainer(encoder, args)
    known, asked = (video_features(trainer, part) for part in clips)
    unreadable.check()
    failed = unreadable.failures()  # before the end of the processes' group
    figures, how = TASKS[test.task](known, asked)
    if test.task == "retrieval":
        figures |= {"neighbours": _neighbours(known, asked, gallery, queries)}
    trainer.end()
    seen = clips_in_words(test.num_clips, frames_per_clip(model.config), *sampling_rate(processor, sampling))
    return {
        **figures,
        "num_videos": len(asked.labels),
        "protocol": (
            f"{against_in_words(data, test.part, len(known.labels), gallery_name)}, "
            f"{seen}, {_pictures(processor) if vcop else 'centre crop, pooled feature'}, mean over clips; {how}"
        ),
        "failed": failed,
    }


def _retrieval(known: FeatureSet, asked: FeatureSet) -> tuple[dict[str, Any], str]:
    hits = retrieval_accuracy(asked.features, asked.labels, known.features, known.labels)
    figures = {f"retrieval_{name}": value for name, value in hits.items()}
    return figures, "share of videos with one of their class among the k nearest by cosine"


def _neighbours(
    known: FeatureSet, asked: FeatureSet, gallery: datasets.Dataset, queries: datasets.Dataset
) -> list[dict[str, Any]]:
    """Some queries, evenly spaced over the part so that nobody picks the good ones, and what lies nearest to each."""
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
    result = linear_probe(known.features, known.labels, known.groups, asked.features, asked.labels)
    how = f"logistic regression on standardised features, L2 strength {result.setting:g} chosen on held-out groups"
    return {"linear_probe_top1": result.accuracy}, how


def _knn(known: FeatureSet, asked: FeatureSet) -> tuple[dict[str, float], str]:
    result = knn(known.features, known.labels, asked.features, asked.labels)
    how = f"{result.setting:g} nearest by cosine, votes weighted exp(cosine / {TEMPERATURE})"
    return {"knn_top1": result.accuracy}, how


TASKS: dict[str, Callable[[FeatureSet, FeatureSet], tuple[dict[str, Any], str]]] = {
    "retrieval": _retrieval,
    "linear_probe": _linear_probe,
    "knn": _knn,
}


def gallery_and_queries(
    videos: datasets.DatasetDict, part: str, data: DatasetArguments
) -> tuple[datasets.Dataset, datasets.Dataset, str]:
    """Gallery, queries, and the gallery's name: with the test part all that is not tested."""
    names = [name for name in ("train", "validation") if name != part and len(videos[name])]
    if len(videos[part]) == 0:
        raise ValueError(f"the {part} part of {data.dataset} is empty")
    gallery = datasets.concatenate_datasets([videos[name] for name in names])
    return gallery, videos[part], " and ".join(names)


def _vcop_clips(
    records: datasets.Dataset,
    model: PreTrainedModel,
    processor: BaseVideoProcessor,
    sampling: SamplingArguments,
    num_clips: int,
) -> TestingClips:
    rate = sampling_rate(processor, sampling)
    sampler = clip_sampler(num_clips, frames_per_clip(model.config), *rate, spread=evenly_centred_clips)
    return TestingClips(records, sampler, ClipProcessor(vcop_processor(processor)), model.main_input_name)


def vcop_processor(processor: BaseVideoProcessor) -> C3DVideoProcessor:
    """VCOP's pictures at the model's own size s: resized to 128/112·s × 171/112·s, the central s × s, in [0, 1]."""
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
