"""What transformers reports of the weights of a checkpoint, in our own words."""

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
    "layers_of",
    "refuse_misfit",
    "tell_partial_weights",
    "without_load_report",
]

logger = logging.getLogger(__name__)


def absent_keys(report: dict[str, Any]) -> set[str]:
    """Weights of a model that a checkpoint lacks, or has in another shape."""
    return report["missing_keys"] | {key for key, *_ in report["mismatched_keys"]}


def absent_weights(name: str, model: PreTrainedModel, report: dict[str, Any]) -> list[str]:
    """Weights of the model that a checkpoint does not bring; those of its encoder it must bring.

    Args:
        name: of the checkpoint.
        model: as `from_pretrained` gives it with `output_loading_info`.
        report: the same.

    Raises:
        ValueError: some of the encoder's are missing or of another shape.
    """
    absent = sorted(absent_keys(report))
    refuse_misfit(name, model, [key for key in absent if key.startswith(f"{model.base_model_prefix}.")])
    return absent


def refuse_misfit(name: str, model: PreTrainedModel, absent: list[str]) -> None:
    """Refuse a checkpoint that lacks weights which it must bring.

    Raises:
        ValueError: some are absent.
    """
    if absent:
        raise ValueError(
            f"the weights of {name} do not fit its config.json, a {model.config.model_type}: {len(absent)} of the "
            f"encoder's are missing or of another shape, the first {absent[0]}; take the config.json that belongs to "
            "the weights"
        )


def tell_partial_weights(name: str, model: PreTrainedModel, report: dict[str, Any]) -> None:
    """Warn of a head that lacks more than its last layer, and of weights that found no place.

    An encoder, which fine-tuning begins with, has no head, so that nothing of one is missed.
    """
    head = {key for key in model.state_dict() if not key.startswith(f"{model.base_model_prefix}.")}
    absent = absent_keys(report)
    lacking = layers_of(absent) - {LAST_LAYER}
    if lacking and not head <= absent:
        logger.warning("%s lacks weights of %s: they start at random", name, ", ".join(sorted(lacking)))
    if unexpected := report["unexpected_keys"]:
        parts = ", ".join(sorted(layers_of(unexpected)))
        logger.warning("%s: %d weights that have no place in the model are left out: %s", name, len(unexpected), parts)


@contextmanager
def without_load_report() -> Iterator[None]:
    """Keeps back transformers' table of missing, unexpected and misfitting weights, which our own lines replace."""

    def is_other(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return "LOAD REPORT" not in text or "CONVERSION" in text  # weights that could not be converted are an error

    teller = logging.getLogger(PreTrainedModel.__module__)
    teller.addFilter(is_other)
    try:
        yield
    finally:
        teller.removeFilter(is_other)


def layers_of(weights: Iterable[str]) -> set[str]:
    """The outermost modules that weights belong to."""
    return {name.split(".")[0] for name in weights}
