"""Testing as the paper does: several clips of each video, their logits averaged before the softmax."""

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
    """The Trainer's `preprocess_logits_for_metrics`: `(B·K, classes)` → `(B, K, classes)`.

    Accelerate trims the last batch, gathered from all processes, by rows; a row must therefore be a video.
    """
    first = logits[0] if isinstance(logits, tuple) else logits
    return first.view(*labels.shape, -1)


def likeliest(scores: torch.Tensor, id2label: dict[int, str], top_k: int) -> list[tuple[str, float]]:
    """The classes with the highest probabilities `(classes,)`, best first."""
    best = scores.topk(min(top_k, len(scores)))
    return [(id2label[index], score) for score, index in zip(best.values.tolist(), best.indices.tolist(), strict=True)]


class MultiClipAccuracy:
    """The Trainer's `compute_metrics` for videos tested on K clips each.

    Args:
        class_names: in the order of the labels.
    """

    def __init__(self, class_names: list[str]) -> None:
        self.class_names = class_names
        self.metric = evaluate.load(str(METRIC), keep_in_memory=True)

    def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
        """Accuracies of a whole test.

        Args:
            prediction: logits `(videos, K, classes)` and labels `(videos, K)`, the same for all K clips; videos
                labelled −100 are left out.

        Returns:
            `video_top1`, `video_top5` of the mean logits, `clip_top1`, `clip_top5` of the clips one by one (fractions
            of 1), and `num_videos`.
        """
        logits, labels = _counted(prediction)
        clips = logits.reshape(-1, logits.shape[-1])
        return {
            **self._accuracy("video", _video_logits(logits), labels[:, 0]),
            **self._accuracy("clip", clips, labels.flatten()),
            "num_videos": len(labels),
        }

    def per_class(self, prediction: EvalPrediction) -> dict[str, float]:
        """Video top-1 of each class that occurs, by name."""
        logits, labels = _counted(prediction)
        videos = _video_logits(logits)
        of_class = {name: labels[:, 0] == index for index, name in enumerate(self.class_names)}
        return {
            name: self._accuracy("video", videos[rows], labels[rows, 0])["video_top1"]
            for name, rows in of_class.items()
            if rows.any()
        }

    def predictions(self, prediction: EvalPrediction) -> list[tuple[int, str, str, float]]:
        """For each video that counts: its place in the data set, its class, the class of the largest mean logit, and
        the probability that the mean logits give that class.
        """
        logits, labels = _counted(prediction)
        places = np.flatnonzero(prediction.label_ids[:, 0] != UNREADABLE).tolist()
        scores, predicted = torch.from_numpy(_video_logits(logits)).softmax(1).max(1)
        return [
            (place, self.class_names[label], self.class_names[index], score)
            for place, label, index, score in zip(
                places, labels[:, 0], predicted.tolist(), scores.tolist(), strict=True
            )
        ]

    def _accuracy(self, unit: str, scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        computed = self.metric.compute(predictions=scores, references=labels, k=(1, 5))
        return {f"{unit}_{name}": value for name, value in computed.items()}


def _counted(prediction: EvalPrediction) -> tuple[np.ndarray, np.ndarray]:
    counted = prediction.label_ids[:, 0] != UNREADABLE
    return prediction.predictions[counted], prediction.label_ids[counted]


def _video_logits(logits: np.ndarray) -> np.ndarray:
    return logits.astype(np.float64).mean(axis=1)  # (videos, classes)
