"""Facts about a model for the record of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.models.frames import frames_per_clip
from hf_selfdistill.models.loading import FROM_SCRATCH
from hf_selfdistill.training.citations import PRETRAINED_BY

__all__ = ["model_facts"]


def model_facts(model: PreTrainedModel, processor: BaseVideoProcessor, name: str | None) -> dict[str, Any]:
    """Return the facts about a model and its clips that the card and the report show.

    Args:
        model: the model.
        processor: video processor of the model.
        name: name of the model that training begins with. Of a folder only the last part of the path is kept.
    """
    stride, fps = ClipProcessor.sampling_of(processor)
    is_folder = name is not None and Path(name).is_dir()
    return {
        "architecture": type(model).__name__,
        "model_type": model.config.model_type,
        "base": None if name in FROM_SCRATCH or name is None else Path(name).name if is_folder else name,
        "num_frames": frames_per_clip(model.config),
        "frame_stride": stride,
        "target_fps": fps,
        "pretrained_by": model.config.to_dict().get(PRETRAINED_BY),
    }
