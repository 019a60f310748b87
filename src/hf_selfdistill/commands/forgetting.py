"""What an encoder has lost by fine-tuning: measured on a reference set, before and after."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import datasets
from transformers import PreTrainedModel

from hf_selfdistill.commands.cards import against_in_words, clips_in_words
from hf_selfdistill.commands.datasets import DatasetArguments, sampling_rate, testing_clips
from hf_selfdistill.commands.feature_tasks import gallery_and_queries
from hf_selfdistill.commands.pretext import pretext_metrics
from hf_selfdistill.commands.testing import Evaluation
from hf_selfdistill.data.callbacks import UnreadableVideosCallback
from hf_selfdistill.data.video_files import find_videos
from hf_selfdistill.evaluation.drift import weight_distance
from hf_selfdistill.evaluation.features import LayerFeatures, SeveralFeatures, feature_trainer, several_video_features
from hf_selfdistill.evaluation.forgetting import compare, drift
from hf_selfdistill.evaluation.probe import groups_to_choose_by
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.models.loading import load_for_features
from hf_selfdistill.reporting.forgetting_figures import drift_figure, forgetting_figure
from hf_selfdistill.reporting.forgetting_table import as_markdown

__all__ = ["distance_between", "evaluate_forgetting", "write_report"]

logger = logging.getLogger(__name__)


def evaluate_forgetting(evaluation: Evaluation) -> dict[str, Any]:
    """The same measurements on the encoder before and after, the retention, the drift, the protocol.

    Both see the same clips, as the encoder before fine-tuning takes them.

    Raises:
        ValueError: the data set and the models do not fit, or too many videos can't be read.
        OSError: there is no such model.
    """
    test, _, forgetting, data, sampling, args = evaluation
    before_name = str(forgetting.before)
    with args.main_process_first(desc="loading the data set"):
        parts, gallery_name = _reference_set(data, test.part)
    if len(parts) == 2:
        groups_to_choose_by(parts[0]["label"][:], parts[0]["group"][:])  # which the linear probe will need
    old, processor = load_for_features(before_name)
    new, _ = load_for_features(test.model_name_or_path)
    distance = distance_between(before_name, old, test.model_name_or_path, new)  # first: it refuses
    clips = [testing_clips(records, old, processor, sampling, test.num_clips) for records in parts]
    unreadable = UnreadableVideosCallback(*clips, most=data.max_unreadable)
    trainer = feature_trainer(SeveralFeatures(LayerFeatures(old), LayerFeatures(new)), args)
    before, after = zip(*(several_video_features(trainer, part) for part in clips), strict=True)
    unreadable.check()
    failed = unreadable.failures()
    rate = sampling_rate(processor, sampling)
    processor.frame_stride, processor.target_fps = rate  # of the objective's clips too
    readable = parts[-1].select(before[-1].places)
    own = pretext_metrics(before_name, {"before": old, "after": new}, processor, readable, args)
    trainer.end()
    seen = clips_in_words(test.num_clips, frames_per_clip(old.config), *rate)
    labelled = len(parts) == 2
    of = (
        against_in_words(data, test.part, len(before[0].labels), gallery_name) if labelled else "videos without labels"
    )
    return {
        **(compare(before, after) if labelled else {"retention": None}),
        "drift": drift(before[-1], after[-1]) | {"weight_distance": distance},
        "objective": own,
        "num_videos": len(before[-1].labels),
        "protocol": f"{of}, {seen}, centre crop, pooled feature, mean over clips; intervals: the middle of 2000 "
        "draws of whole groups, 95 % or, of few groups, more; of CKA and effective rank by a jackknife over groups",
        "failed": failed,
    }


def distance_between(before: str, old: PreTrainedModel, after: str, new: PreTrainedModel) -> float:
    """How far the weights of two encoders, which have names, are from one another.

    Raises:
        ValueError: they are of two architectures.
    """
    try:
        return weight_distance(old.base_model, new.base_model)
    except ValueError as error:
        raise ValueError(
            f"--before {before}, a {old.config.model_type}, and --model_name_or_path {after}, a "
            f"{new.config.model_type}: {error}; give as --before the encoder that fine-tuning began from"
        ) from error


def _reference_set(data: DatasetArguments, part: str) -> tuple[list[datasets.Dataset], str]:
    """Videos to learn from and to ask, and what the former are called; without labels only those to ask."""
    if data.dataset != "videos":
        gallery, queries, name = gallery_and_queries(data.load(), part, data)
        return [gallery, queries], name
    if data.dataset_root is None:
        raise ValueError("--dataset videos needs --dataset_root, the folder")
    videos = find_videos(Path(data.dataset_root))
    paths = [video["path"] for video in videos.to_dict()["video"]]
    videos = videos.add_column("label", [0] * len(videos)).add_column("group", paths)
    return [videos], ""


def write_report(results: dict[str, Any], file: Path) -> None:
    """Beside the JSON file the table, as Markdown, and with matplotlib the figure, as PNG.

    It shows the accuracies; of a reference set without labels, how alike the layers are.
    """
    file.with_suffix(".md").write_text(as_markdown(results), encoding="utf-8")
    logger.info("The table is in %s", file.with_suffix(".md"))
    if find_spec("matplotlib") is not None:
        if "before" in results:
            figure = forgetting_figure(results["before"], results["after"], results["chance"])
        else:
            figure = drift_figure(results["drift"]["layers"])
        figure.savefig(file.with_suffix(".png"), dpi=150)
        logger.info("The figure is in %s", file.with_suffix(".png"))
