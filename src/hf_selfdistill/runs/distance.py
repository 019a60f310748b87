"""The distance between the weights of two encoders."""

from __future__ import annotations

from transformers import PreTrainedModel

from hf_selfdistill.evaluation.drift import weight_distance

__all__ = ["distance_between"]


def distance_between(before: str, old: PreTrainedModel, after: str, new: PreTrainedModel) -> float:
    """Return the distance between the weights of two encoders, and name both in errors.

    Raises:
        ValueError: the encoders have two architectures.
    """
    try:
        return weight_distance(old.base_model, new.base_model)
    except ValueError as error:
        raise ValueError(
            f"`before` {before}, a {old.config.model_type}, and `model_name_or_path` {after}, a "
            f"{new.config.model_type}: {error}; give as `before` the encoder that fine-tuning began from"
        ) from error
