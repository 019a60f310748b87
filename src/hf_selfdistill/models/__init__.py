"""Encoders, video processor and features; the import registers our classes with transformers' Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForVideoClassification, AutoVideoProcessor

from .configuration_c3d import C3DConfig
from .configuration_r2plus1d import R2Plus1DConfig
from .conversion import ConversionError, WeightReport, load_foreign_checkpoint
from .modeling_c3d import C3DForVideoClassification, C3DModel
from .modeling_r2plus1d import R2Plus1DForVideoClassification, R2Plus1DModel
from .video_processing_c3d import C3DVideoProcessor

__all__ = [
    "C3DConfig",
    "C3DForVideoClassification",
    "C3DModel",
    "C3DVideoProcessor",
    "ConversionError",
    "R2Plus1DConfig",
    "R2Plus1DForVideoClassification",
    "R2Plus1DModel",
    "WeightReport",
    "load_foreign_checkpoint",
]

for config, model, classifier in (
    (C3DConfig, C3DModel, C3DForVideoClassification),
    (R2Plus1DConfig, R2Plus1DModel, R2Plus1DForVideoClassification),
):
    AutoConfig.register(config.model_type, config)
    AutoModel.register(config, model)
    AutoModelForVideoClassification.register(config, classifier)
    AutoVideoProcessor.register(config, C3DVideoProcessor)
