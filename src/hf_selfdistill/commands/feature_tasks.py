"""What an encoder knows: retrieval, nearest neighbours and a linear probe on its frozen features."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import datasets
import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForVideoClassification,
    AutoVideoProcessor,
    BaseVideoProcessor,
    PreTrainedModel,
    TrainingArguments,
)

from hf_selfdistill.commands.datasets import DatasetArguments, SamplingArguments, sampling_rate, testing_clips
from hf_selfdistill.commands.models import (
    FROM_SCRATCH,
    frames_per_clip,
    from_scratch,
    in_its_memory_format,
    refuse_overrides,
)
from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.data.sampling import centred_clips
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.evaluation.features import FeatureExtractor, VideoFeatures, video_features
from hf_selfdistill.evaluation.probe import linear_probe, nearest_neighbours
from hf_selfdistill.evaluation.retrieval import retrieval_hits

__all__ = ["FEATURE_TASKS", "evaluate_features", "load_feature_model"]

FEATURE_TASKS = ("retrieval", "linear_probe", "knn")


def load_feature_model(name: str, overrides: str | None, seed: int) -> tuple[PreTrainedModel, BaseVideoProcessor]:
    """An encoder, or a classifier where the folder holds one, in evaluation mode; `c3d` and `r2plus1d` at random.

    Raises:
        ValueError: overrides of a model that has a configuration of its own, or wrong ones.
        OSError: there is no such model.
    """
    if name in FROM_SCRATCH:
        transformers.set_seed(seed)
        config, processor = from_scratch(name, overrides)
        return in_its_memory_format(AutoModel.from_config(config).eval()), processor
    refuse_overrides(name, overrides)
    saved = AutoConfig.from_pretrained(name).architectures or [""]
    kind = AutoModelForVideoClassification if saved[0].endswith("ForVideoClassification") else AutoModel
    model = kind.from_pretrained(name, dtype=torch.float32)
    return in_its_memory_format(model.eval()), AutoVideoProcessor.from_pretrained(name)


def evaluate_features(
    task: str,
    model: PreTrainedModel,
    processor: BaseVideoProcessor,
    data: DatasetArguments,
    sampling: SamplingArguments,
    args: TrainingArguments,
    num_clips: int = 10,
    protocol: str = "rspnet",
) -> dict[str, Any]:
    """Figures of a task on the test part, with the training part as gallery.

    Args:
        task: one of `FEATURE_TASKS`.
        model: see `load_feature_model`.
        processor: of the model.
        data: the data set; validation videos count as training ones.
        sampling: which frames.
        args: batch size, device, workers.
        num_clips: per video, whose features are averaged.
        protocol: of retrieval, `"rspnet"` or `"vcop"`.

    Returns:
        Accuracies (fractions of 1), `num_videos`, `num_gallery`, the `protocol` in words, and the `failed` videos.

    Raises:
        ValueError: the data set is not as it should be, or too many videos can't be read.
    """
    vcop = task == "retrieval" and protocol == "vcop"
    with args.main_process_first(desc="loading the data set"):
        records = data.load()
    gallery_records = datasets.concatenate_datasets([records["train"], records["validation"]])
    parts = [
        (_vcop_clips if vcop else testing_clips)(part, model, processor, sampling, num_clips)
        for part in (gallery_records, records["test"])
    ]
    unreadable = UnreadableVideosCallback(*parts, most=data.max_unreadable)
    extractor = FeatureExtractor(model, "vcop" if vcop else "mean")
    gallery, queries = (video_features(extractor, clips, args) for clips in parts)
    unreadable.check()
    stride, fps = sampling_rate(processor, sampling)
    rate = f"stride {stride}" if fps is None else f"stride {stride} at {fps:g} fps"
    return {
        **_figures(task, gallery, queries),
        "num_videos": len(queries.labels),
        "num_gallery": len(gallery.labels),
        "protocol": f"{data.dataset} split {data.split}, test against training part, {num_clips} clips of "
        f"{frames_per_clip(model.config)} frames, {rate}, mean of features; {_in_words(task, protocol)}",
        "failed": unreadable.failures(),
    }


def _figures(task: str, gallery: VideoFeatures, queries: VideoFeatures) -> dict[str, float]:
    if task == "retrieval":
        hits = retrieval_hits(queries.features, queries.labels, gallery.features, gallery.labels)
        return {name: right.double().mean().item() for name, right in hits.items()}
    if task == "knn":
        predicted = nearest_neighbours(gallery.features, gallery.labels, queries.features)
    else:
        predicted = linear_probe(gallery.features, gallery.labels, gallery.groups, queries.features)
    return {"top1": (predicted == queries.labels).double().mean().item()}


def _in_words(task: str, protocol: str) -> str:
    return {
        "retrieval": f"retrieval by cosine, protocol of {'VCOP' if protocol == 'vcop' else 'RSPNet'}",
        "knn": "20 nearest neighbours by cosine, votes exp(cosine / 0.07)",
        "linear_probe": "logistic regression on standardised features, its strength chosen on training groups",
    }[task]


def _vcop_clips(
    records: datasets.Dataset,
    model: PreTrainedModel,
    processor: BaseVideoProcessor,
    sampling: SamplingArguments,
    num_clips: int,
) -> TestingClips:
    """VCOP's: centred windows, resized to 128×171 of 112, not normalised."""
    side = ClipProcessor.size_of(processor)[0]
    processor = copy.deepcopy(processor)
    processor.size = {"height": round(128 * side / 112), "width": round(171 * side / 112)}
    processor.do_normalize = False
    frames = frames_per_clip(model.config)
    stride, fps = sampling_rate(processor, sampling)
    sampler = partial(_centred, frames, num_clips, stride, fps)
    return TestingClips(records, sampler, ClipProcessor(processor), model.main_input_name)


def _centred(
    frames: int, num_clips: int, stride: int, target_fps: float | None, num_frames: int, fps: float
) -> list[list[int]]:
    return centred_clips(num_frames, frames, num_clips, stride if target_fps is None else stride * fps / target_fps)
