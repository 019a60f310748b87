"""Fine-tune pre-trained video encoders without forgetting: self-distillation (Zhou et al., arXiv 2205.00506).

Importing the package makes its encoders known to transformers' Auto classes and to
`pipeline("video-classification")`. Neither PyTorch nor transformers is loaded before one of them is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hf_selfdistill.models.auto_classes import register_when_loaded

_PUBLIC = {
    "C3DConfig": "models.configuration_c3d",
    "C3DForVideoClassification": "models.modeling_c3d",
    "C3DModel": "models.modeling_c3d",
    "C3DVideoProcessor": "models.video_processing_c3d",
    "R2Plus1DConfig": "models.configuration_r2plus1d",
    "R2Plus1DForVideoClassification": "models.modeling_r2plus1d",
    "R2Plus1DModel": "models.modeling_r2plus1d",
    "MultiClipPipeline": "models.pipeline",
    "PretrainingArguments": "pretraining.arguments",
    "PretrainingTrainer": "pretraining.trainer",
    "SelfDistillationArguments": "self_distillation.arguments",
    "SelfDistillationTrainer": "self_distillation.trainer",
    "TeacherRefreshCallback": "self_distillation.callbacks",
    "VideoDecodingError": "data.containers",
    "load_video_dataset": "data.datasets",
    "FinetuneConfig": "runs.configs",
    "PretrainConfig": "runs.configs",
    "EvaluateConfig": "runs.evaluation_configs",
    "ForgettingConfig": "runs.evaluation_configs",
    "PredictConfig": "runs.evaluation_configs",
    "RunRecord": "training.record",
    "average_models": "regularizers.soup",
    "finetune": "runs.finetune",
    "pretrain": "runs.pretrain",
    "evaluate": "runs.evaluate",
    "measure_forgetting": "runs.forgetting",
    "predict": "runs.predict",
    "read_frames": "data.decoding",
    "self_distillation_loss": "self_distillation.loss",
    "write_moving_shapes": "data.moving_shapes",
}

__all__ = sorted(_PUBLIC)

register_when_loaded()


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
