"""Checks of the weights of a checkpoint against the model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PreTrainedModel

from hf_selfdistill.models.features import LAST_LAYER

__all__ = [
    "absent_keys",
    "absent_weights",
    "check_weights_fit",
    "layers_of",
    "warn_of_partial_weights",
    "without_load_report",
]

logger = logging.getLogger(__name__)


def absent_keys(report: dict[str, Any]) -> set[str]:
    """Return the names of a model's weights that are missing from a checkpoint or have another shape there."""
    return report["missing_keys"] | {key for key, *_ in report["mismatched_keys"]}


def absent_weights(name: str, model: PreTrainedModel, report: dict[str, Any]) -> list[str]:
    """Return the names of a model's weights that a checkpoint lacks; the encoder's weights must be complete.

    Args:
        name: name of the checkpoint.
        model: the model that `from_pretrained` returns.
        report: the loading info that `from_pretrained` returns with `output_loading_info`.

    Raises:
        ValueError: some of the encoder's weights are missing or have another shape.
    """
    absent = sorted(absent_keys(report))
    check_weights_fit(name, model, [key for key in absent if key.startswith(f"{model.base_model_prefix}.")])
    return absent


def check_weights_fit(name: str, model: PreTrainedModel, absent: list[str]) -> None:
    """Refuse a checkpoint that lacks required weights.

    Raises:
        ValueError: `absent` is not empty.
    """
    if absent:
        raise ValueError(
            f"the weights of {name} do not fit its config.json, a {model.config.model_type}: {len(absent)} of the "
            f"encoder's weights are missing or have another shape, the first {absent[0]}; use the config.json that "
            "belongs to the weights"
        )


def warn_of_partial_weights(name: str, model: PreTrainedModel, report: dict[str, Any]) -> None:
    """Warn about a head that lacks more than its last layer, and about unused weights of the checkpoint.

    A checkpoint without any weights of a head is a plain encoder; this function does not warn about it.
    """
    head = {key for key in model.state_dict() if not key.startswith(f"{model.base_model_prefix}.")}
    absent = absent_keys(report)
    lacking = layers_of(absent) - {LAST_LAYER}
    if lacking and not head <= absent:
        logger.warning("%s lacks weights of %s: they start at random", name, ", ".join(sorted(lacking)))
    if unexpected := report["unexpected_keys"]:
        parts = ", ".join(sorted(layers_of(unexpected)))
        logger.warning(
            "%s: %d weights are not used, as the model has no layers for them: %s", name, len(unexpected), parts
        )


@contextmanager
def without_load_report() -> Iterator[None]:
    """Suppress transformers' table of missing and unexpected weights; our own log lines replace it."""

    def is_other(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return "LOAD REPORT" not in text or "CONVERSION" in text  # failed conversions of weights are errors: keep them

    reporter = logging.getLogger(PreTrainedModel.__module__)
    reporter.addFilter(is_other)
    try:
        yield
    finally:
        reporter.removeFilter(is_other)


def layers_of(weights: Iterable[str]) -> set[str]:
    """Return the names of the outermost modules that contain the weights."""
    return {name.split(".")[0] for name in weights}
