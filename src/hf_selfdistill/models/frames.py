"""Length of a clip of a model."""

from __future__ import annotations

from transformers import PreTrainedConfig

__all__ = ["frames_per_clip"]

FRAMES = ("num_frames", "frames_per_clip")  # names of the length in configurations of transformers


def frames_per_clip(config: PreTrainedConfig) -> int:
    """Return the number of frames that a model takes.

    Raises:
        ValueError: the configuration has no such number.
    """
    for name in FRAMES:
        if name in config.to_dict():
            return int(getattr(config, name))
    raise ValueError(f"the configuration of this {config.model_type} has none of {', '.join(FRAMES)}; add one of them")
