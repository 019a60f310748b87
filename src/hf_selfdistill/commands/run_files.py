"""What a run leaves behind: its JSON files and what each must hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from hf_selfdistill.commands.json_shape import ANY, read_json
from hf_selfdistill.reporting.forgetting_table import NAMES
from hf_selfdistill.training.accuracies import MEASURED

__all__ = ["ALL_RESULTS", "FORGETTING", "RESULTS", "RETRIEVAL", "RunFiles", "read_run"]

ALL_RESULTS = "all_results.json"
"""What a training writes last."""

RESULTS = "evaluation.json"
"""Results of a classification."""

RETRIEVAL = "retrieval.json"
"""Results of a retrieval, with examples."""

FORGETTING = "forgetting.json"
"""What the model forgot."""

NUMBER = (int, float)
ONE_VIDEO = {"video": str, "label": str}
INTERVAL = dict.fromkeys(("value", "low", "high"), NUMBER)
KNOWN_OR_NOT = {"value": NUMBER, **dict.fromkeys(("low", "high"), (type(None), NUMBER))}
ACCURACIES = dict.fromkeys(NAMES, KNOWN_OR_NOT)
MOVED = ("cosine", "relative_l2", "effective_rank_before", "effective_rank_after")
SHAPES: dict[str, tuple[str, Any]] = {
    "config": ("config.json", {"model_type": str, "id2label?": {ANY: str}}),
    "state": ("trainer_state.json", {"log_history": [{"step": int}]}),
    "results": (
        ALL_RESULTS,
        {
            **{f"eval_{name}?": NUMBER for name in MEASURED},
            "unreadable?": [{"video": str, "reason": str}],
        },
    ),
    "evaluation": (
        RESULTS,
        {
            **dict.fromkeys(MEASURED, NUMBER),
            "protocol": str,
            "per_class?": {ANY: NUMBER},
            "predictions?": [{**ONE_VIDEO, "predicted": str, "score?": NUMBER}],
            "failed?": [{"video": str, "reason": str}],
        },
    ),
    "retrieval": (
        RETRIEVAL,
        {
            "protocol": str,
            "neighbours?": [{**ONE_VIDEO, "nearest": [{**ONE_VIDEO, "cosine": NUMBER}]}],
        },
    ),
    "forgetting": (
        FORGETTING,
        {
            "retention": (type(None), INTERVAL),
            "chance?": NUMBER,
            "before?": ACCURACIES,
            "after?": ACCURACIES,
            "objective?": (type(None), {"name": str, "before": {ANY: KNOWN_OR_NOT}, "after": {ANY: KNOWN_OR_NOT}}),
            "drift": {
                **dict.fromkeys(MOVED, KNOWN_OR_NOT),
                "weight_distance": NUMBER,
                "layers": [{"name": str, "cka": (type(None), KNOWN_OR_NOT)}],
            },
        },
    ),
}


class RunFiles(NamedTuple):
    """What the files hold; None for each that there is not.

    Args:
        config: the model's `config.json`.
        state: `trainer_state.json`, with the log.
        results: `all_results.json` of the training.
        evaluation: of the test of the classifier.
        retrieval: of the test of the features.
        forgetting: of what was forgotten.
    """

    config: dict[str, Any] | None
    state: dict[str, Any] | None
    results: dict[str, Any] | None
    evaluation: dict[str, Any] | None
    retrieval: dict[str, Any] | None
    forgetting: dict[str, Any] | None


def read_run(folder: Path) -> RunFiles:
    """Read a run's folder.

    Raises:
        ValueError: a file is no JSON, or of another shape.
    """
    return RunFiles(**{name: read_json(folder / file, shape) for name, (file, shape) in SHAPES.items()})
