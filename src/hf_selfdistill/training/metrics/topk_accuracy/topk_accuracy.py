"""Top-k accuracy as a module of the `evaluate` library, loaded by the path of its folder, without the Hub."""

import datasets
import evaluate
import numpy as np

_DESCRIPTION = (
    "Share of examples whose class is among the k highest scores. Among equal scores the class with the lower index "
    "comes first, so top-1 is the accuracy of argmax. A row with NaN counts as wrong."
)

_KWARGS_DESCRIPTION = """
Args:
    predictions: scores, one row of `classes` floats per example (logits or probabilities).
    references: class indices.
    k: the values of k; a k above the number of classes counts as that number.

Returns:
    `{"top1": …, "top5": …}`, fractions of 1; NaN without any example.

Example:
    >>> metric = evaluate.load("path/to/topk_accuracy")
    >>> metric.compute(predictions=[[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]], references=[1, 1], k=(1, 2))
    {'top1': 0.5, 'top2': 1.0}
"""


class TopKAccuracy(evaluate.Metric):
    """Top-k accuracy from scores."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(
                {"predictions": datasets.Sequence(datasets.Value("float64")), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: list, references: list, k: tuple[int, ...] = (1, 5)) -> dict[str, float]:
        if len(references) == 0:
            return {f"top{n}": float("nan") for n in k}
        scores = np.asarray(predictions)
        order = np.argsort(-scores, axis=1, kind="stable")
        ranks = (order == np.asarray(references)[:, None]).argmax(axis=1)
        counted = ~np.isnan(scores).any(axis=1)
        return {f"top{n}": float((counted & (ranks < n)).mean()) for n in k}
