"""The numbers of Tables 1 and 2 of Zhou et al., arXiv 2205.00506, to compare with our own."""

from __future__ import annotations

__all__ = ["BEST_WEIGHT", "CLASSES", "OTHER_METHODS", "TABLE_2", "WEIGHTS", "paper_accuracy"]

WEIGHTS = (0.0, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""λ of Table 2."""

_CELLS = {
    ("c3d", "ucf101"): [(77.1, 93.5), (76.7, 93.7), (77.1, 94.1), (77.9, 94.1), (78.6, 94.6), (77.5, 94.7)],
    ("c3d", "hmdb51"): [(43.9, 76.5), (45.8, 76.5), (43.9, 76.7), (44.2, 76.7), (42.9, 77.4), (41.4, 75.9)],
    ("r2plus1d", "ucf101"): [(80.2, 95.0), (80.8, 94.4), (80.3, 94.8), (81.4, 95.4), (82.3, 96.3), (81.5, 96.1)],
    ("r2plus1d", "hmdb51"): [(44.1, 75.6), (44.8, 74.3), (43.3, 75.1), (45.6, 76.1), (46.3, 76.3), (47.3, 77.8)],
}
TABLE_2 = {row: dict(zip(WEIGHTS, cells, strict=True)) for row, cells in _CELLS.items()}
"""Encoder and data set → λ → top-1 and top-5 in percent; one run each, split 1. λ = 0 is the baseline, "RSPNet*"."""

OTHER_METHODS: dict[str, dict[str, dict[str, float]]] = {
    "c3d": {
        "3D ST": {"ucf101": 60.6, "hmdb51": 28.3},
        "MAS": {"ucf101": 61.2, "hmdb51": 33.4},
        "RSPNet": {"ucf101": 76.7, "hmdb51": 44.6},
    },
    "r2plus1d": {
        "Pace": {"ucf101": 77.1, "hmdb51": 36.6},
        "RSPNet": {"ucf101": 81.1, "hmdb51": 44.6},
    },
}
"""Encoder → method → data set → top-1 in percent, as Table 1 quotes other papers; it has no top-5 of them."""

BEST_WEIGHT = {row: max(of_row, key=lambda weight: of_row[weight][0]) for row, of_row in TABLE_2.items()}
"""λ of Table 1's "Ours"."""

CLASSES = {"ucf101": 101, "hmdb51": 51}


def paper_accuracy(model_type: str, dataset: str, classes: int, weight: float) -> tuple[float, float] | None:
    """Return the paper's top-1 and top-5 in percent, or None if the paper has no such run.

    Args:
        model_type: `c3d` or `r2plus1d`.
        dataset: `ucf101` or `hmdb51`, the layout of the data set.
        classes: number of classes; with another number the data set is not the paper's.
        weight: λ.
    """
    if CLASSES.get(dataset) != classes:
        return None
    return TABLE_2.get((model_type, dataset), {}).get(weight)
