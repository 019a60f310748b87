"""What the paper reports, to stand beside what is measured (Zhou et al., arXiv 2205.00506, Tables 1 and 2)."""

from __future__ import annotations

__all__ = ["BEST_WEIGHT", "CLASSES", "OTHER_METHODS", "TABLE_2", "WEIGHTS", "paper_accuracy"]

TABLE_2: dict[tuple[str, str], dict[float, tuple[float, float]]] = {
    ("c3d", "ucf101"): {
        0: (77.1, 93.5),
        0.1: (76.7, 93.7),
        1: (77.1, 94.1),
        10: (77.9, 94.1),
        100: (78.6, 94.6),
        1000: (77.5, 94.7),
    },
    ("c3d", "hmdb51"): {
        0: (43.9, 76.5),
        0.1: (45.8, 76.5),
        1: (43.9, 76.7),
        10: (44.2, 76.7),
        100: (42.9, 77.4),
        1000: (41.4, 75.9),
    },
    ("r2plus1d", "ucf101"): {
        0: (80.2, 95.0),
        0.1: (80.8, 94.4),
        1: (80.3, 94.8),
        10: (81.4, 95.4),
        100: (82.3, 96.3),
        1000: (81.5, 96.1),
    },
    ("r2plus1d", "hmdb51"): {
        0: (44.1, 75.6),
        0.1: (44.8, 74.3),
        1: (43.3, 75.1),
        10: (45.6, 76.1),
        100: (46.3, 76.3),
        1000: (47.3, 77.8),
    },
}
"""Encoder and data set → λ → top-1 and top-5 in percent; one run each, split 1. λ = 0 is the baseline, "RSPNet*"."""

WEIGHTS = (0.0, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""λ of Table 2."""

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
"""Encoder → method → data set → top-1 in percent: what Table 1 quotes from other papers, which have no top-5."""

BEST_WEIGHT = {row: max(of_row, key=lambda weight: of_row[weight][0]) for row, of_row in TABLE_2.items()}
"""λ of Table 1's "Ours"."""

CLASSES = {"ucf101": 101, "hmdb51": 51}


def paper_accuracy(model_type: str, dataset: str, classes: int, weight: float) -> tuple[float, float] | None:
    """Top-1 and top-5 of the paper's own run, None where it has none such.

    Args:
        model_type: `c3d` or `r2plus1d`.
        dataset: `ucf101` or `hmdb51`, as layouts; other data sets in these layouts have other numbers of classes.
        classes: of the data set.
        weight: λ.
    """
    if CLASSES.get(dataset) != classes:
        return None
    return TABLE_2.get((model_type, dataset), {}).get(weight)
