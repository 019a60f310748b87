"""Tested videos with what spoke for the class that the model gave them, to look at."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import torch
from tqdm import tqdm
from transformers import AutoConfig, AutoModelForVideoClassification

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
    "Grad-CAM on the centre clips of the first right video and of the wrong ones that the model was surest of, for "
    "the class that it gave; the probabilities are the test's."
)
SIDE = 96  # pixels of a frame's shorter side, at least

Prediction = Mapping[str, Any]


def saliency_examples(folder: Path, predictions: Sequence[Prediction]) -> tuple[list[Picture], str]:
    """Filmstrips of the centre clips of the first right video and the surest wrong ones.

    Args:
        folder: of the fine-tuned model.
        predictions: of its test: `video`, `label`, `predicted`, `score`.

    Returns:
        The pictures and how they were made, or why there are none.
    """
    if (why := _why_none(folder, predictions)) is not None:
        return [], f"No pictures: {why}."
    model, processor = load_for_inference(str(folder))
    chosen = _chosen(predictions)
    records = datasets.Dataset.from_dict({"video": [{"path": one["video"], "bytes": None} for one in chosen]})
    clips = clips_without_labels(records, model, processor, num_clips=1)
    explainer = Explainer(model, processor, clips, side=SIDE)
    pictures = []
    for one in tqdm(chosen, desc="where the model looks", leave=False):
        try:
            pictures.append(_picture(explainer, one))
        except VideoDecodingError as error:
            logger.warning("a picture of where the model looks is left out: %s", error)
    return pictures, PROTOCOL if pictures else "No pictures: none of the tested videos can be read from here."


def _why_none(folder: Path, predictions: Sequence[Prediction]) -> str | None:
    with torch.device("meta"):
        model = AutoModelForVideoClassification.from_config(AutoConfig.from_pretrained(folder))
    try:
        check_explainable(model)
    except ValueError as error:
        return str(error)
    if "score" not in predictions[0]:
        return "evaluation.json has no probabilities; test the model again"
    return None if list(folder.glob("model*.safetensors")) else "the folder has no weights"


def _chosen(predictions: Sequence[Prediction]) -> list[Prediction]:
    """The first right video, and the wrong ones that the model was surest of."""
    right = [one for one in predictions if one["predicted"] == one["label"]]
    wrong = [one for one in predictions if one["predicted"] != one["label"]]
    return [*right[:1], *sorted(wrong, key=lambda one: -one["score"])[:WRONG]]


def _picture(explainer: Explainer, one: Prediction) -> Picture:
    index = explainer.model.config.label2id[one["predicted"]]
    scores = [(one["predicted"], one["score"])]
    explanation = explainer.explain_clip(one["video"], 0, index, scores, "centre clip")
    name = Path(one["video"]).name
    verdict = "right" if one["predicted"] == one["label"] else f"wrong, it is {one['label']}"
    said = f"{name}: {one['predicted']} ({one['score']:.0%}), {verdict}"
    return image_as_picture(draw_filmstrip(explanation), f"Where it was seen in {said}", said)
