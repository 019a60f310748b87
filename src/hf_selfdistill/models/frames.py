"""How long a clip is for a model."""

from __future__ import annotations

from transformers import PreTrainedConfig

__all__ = ["frames_per_clip"]

FRAMES = ("num_frames", "frames_per_clip")  # what configurations of transformers call it


def frames_per_clip(config: PreTrainedConfig) -> int:
    """How many frames a model takes.

    Raises:
        ValueError: its configuration does not say.
    """
    for name in FRAMES:
        if name in config.to_dict():
            return int(getattr(config, name))
    raise ValueError(f"the configuration of this {config.model_type} has none of {', '.join(FRAMES)}")
