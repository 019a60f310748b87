"""Filmstrips of tested videos with the evidence for the predicted class."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
from tqdm import tqdm

from hf_selfdistill.data.decoding import VideoDecodingError
from hf_selfdistill.models.loading import load_for_inference
from hf_selfdistill.reporting.explain import Explainer
from hf_selfdistill.reporting.filmstrip import draw_filmstrip
from hf_selfdistill.reporting.pictures import Picture, image_as_picture
from hf_selfdistill.reporting.saliency import check_explainable
from hf_selfdistill.training.clips import clips_without_labels

__all__ = ["saliency_examples"]

logger = logging.getLogger(__name__)

WRONG = 3
PROTOCOL = (
    "Grad-CAM for the predicted class on the centre clips of the first correct video and of the wrong videos with the "
    "highest probabilities; the probabilities are those of the test."
)
SIDE = 96  # minimum of pixels of a frame's shorter side

Prediction = Mapping[str, Any]


def saliency_examples(folder: Path, predictions: Sequence[Prediction], videos: Path) -> tuple[list[Picture], str]:
    """Return filmstrips of the first correct video and of the wrong videos with the highest probabilities.

    Args:
        folder: folder of the fine-tuned model.
        predictions: `video`, `label`, `predicted` and `score` of each tested video.
        videos: folder that the names of the videos are relative to.

    Returns:
        The pictures, and how they were made or why there are none.
    """
    model, processor = load_for_inference(str(folder))
    try:
        check_explainable(model)
    except ValueError as error:
        return [], f"No pictures: {error}."
    chosen = [{**one, "video": str(videos / one["video"])} for one in _chosen(predictions)]
    records = datasets.Dataset.from_dict({"video": [{"path": one["video"], "bytes": None} for one in chosen]})
    clips = clips_without_labels(records, model, processor, num_clips=1)
    explainer = Explainer(model, processor, clips, side=SIDE)
    pictures = []
    for one in tqdm(chosen, desc="saliency", leave=False):
        try:
            pictures.append(_picture(explainer, one))
        except VideoDecodingError as error:
            logger.warning("A saliency picture is left out: %s", error)
    return pictures, PROTOCOL if pictures else "No pictures: the tested videos can't be read from here."


def _chosen(predictions: Sequence[Prediction]) -> list[Prediction]:
    right = [one for one in predictions if one["predicted"] == one["label"]]
    wrong = [one for one in predictions if one["predicted"] != one["label"]]
    return [*right[:1], *sorted(wrong, key=lambda one: -one["score"])[:WRONG]]


def _picture(explainer: Explainer, one: Prediction) -> Picture:
    index = explainer.model.config.label2id[one["predicted"]]
    scores = [(one["predicted"], one["score"])]
    explanation = explainer.explain_clip(one["video"], 0, index, scores, "centre clip")
    verdict = "correct" if one["predicted"] == one["label"] else f"wrong: it is {one['label']}"
    caption = f"{Path(one['video']).name}: {one['predicted']} ({one['score']:.0%}), {verdict}"
    return image_as_picture(draw_filmstrip(explanation), f"Evidence in {caption}", caption)
