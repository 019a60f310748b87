"""Accuracy over several clips of each video, with logits averaged before the softmax, as in the paper."""

from __future__ import annotations

from pathlib import Path

import evaluate
import numpy as np
import torch
from transformers import EvalPrediction

from hf_selfdistill.data.clips import UNREADABLE

__all__ = ["MultiClipAccuracy", "likeliest", "rows_of_videos"]

METRIC = Path(__file__).parent / "metrics" / "topk_accuracy"


def rows_of_videos(logits: torch.Tensor | tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
    """Reshape logits `(B·K, classes)` to `(B, K, classes)`, as the Trainer's `preprocess_logits_for_metrics`.

    Accelerate trims the last batch, gathered from all processes, by rows. So a row must be a video.

    Args:
        logits: logits of the clips, or the outputs of a model with the logits first.
        labels: labels `(B, K)`.
    """
    first = logits[0] if isinstance(logits, tuple) else logits
    return first.view(*labels.shape, -1)


def likeliest(scores: torch.Tensor, id2label: dict[int, str], top_k: int) -> list[tuple[str, float]]:
    """Return the classes with the highest probabilities, best first; of equal ones the lower index first.

    Args:
        scores: probabilities `(classes,)`.
        id2label: maps each class index to the name of the class.
        top_k: largest number of classes.
    """
    values, order = (part[:top_k].tolist() for part in scores.sort(descending=True, stable=True))
    return [(id2label[index], score) for score, index in zip(values, order, strict=True)]


class MultiClipAccuracy:
    """Metric for the Trainer's `compute_metrics`, for videos tested on K clips each.

    Args:
        class_names: names of the classes, in the order of the labels.
    """

    def __init__(self, class_names: list[str]) -> None:
        self.class_names = class_names
        self.metric = evaluate.load(str(METRIC), keep_in_memory=True)

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """Compute the accuracies of a whole test.

        Args:
            prediction: logits `(videos, K, classes)` and labels `(videos, K)`, equal for all K clips of a video.
                Videos with the label −100 are ignored.

        Returns:
            `video_top1`, `video_top5` of the mean logits, `clip_top1`, `clip_top5` of single clips (fractions of 1),
            and `num_videos`.
        """
        logits, labels = _counted(prediction)
        clips = logits.reshape(-1, logits.shape[-1])
        return {
            **self._accuracy("video", _video_logits(logits), labels[:, 0]),
            **self._accuracy("clip", clips, labels.flatten()),
            "num_videos": len(labels),
        }

    def per_class(self, prediction: EvalPrediction) -> dict[str, float]:
        """Compute the video top-1 of each class that occurs, by name."""
        logits, labels = _counted(prediction)
        videos = _video_logits(logits)
        of_class = {name: labels[:, 0] == index for index, name in enumerate(self.class_names)}
        return {
            name: self._accuracy("video", videos[rows], labels[rows, 0])["video_top1"]
            for name, rows in of_class.items()
            if rows.any()
        }

    def not_finite(self, prediction: EvalPrediction) -> list[int]:
        """Return the indices of the videos that count and have a logit that is not finite."""
        lost = ~np.isfinite(prediction.predictions).all(axis=(1, 2))
        return np.flatnonzero(lost & (prediction.label_ids[:, 0] != UNREADABLE)).tolist()

    def predictions(self, prediction: EvalPrediction) -> list[tuple[int, str, str, float]]:
        """Return index, class, predicted class and its probability for each video that counts.

        The index is that of the video in the data set. The predicted class has the highest mean logit of the clips;
        of equal ones it is the first, as in `video_top1`.
        """
        logits, labels = _counted(prediction)
        places = np.flatnonzero(prediction.label_ids[:, 0] != UNREADABLE).tolist()
        videos = torch.from_numpy(_video_logits(logits))
        scores, predicted = videos.softmax(1), videos.numpy().argmax(1)  # a softmax can round two logits to one value
        return [
            (place, self.class_names[label], self.class_names[index], row[index].item())
            for place, label, index, row in zip(places, labels[:, 0], predicted, scores, strict=True)
        ]

    def _accuracy(self, unit: str, scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        computed = self.metric.compute(predictions=scores, references=labels, k=(1, 5))
        return {f"{unit}_{name}": value for name, value in computed.items()}


def _counted(prediction: EvalPrediction) -> tuple[np.ndarray, np.ndarray]:
    counted = prediction.label_ids[:, 0] != UNREADABLE
    return prediction.predictions[counted], prediction.label_ids[counted]


def _video_logits(logits: np.ndarray) -> np.ndarray:
    return logits.astype(np.float64).mean(axis=1)  # (videos, classes)
