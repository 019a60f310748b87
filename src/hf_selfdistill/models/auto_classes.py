"""Registration of the encoders with transformers' Auto classes, at the moment when transformers loads those.

The hooks import no more than they register. Neither a model nor a processor of ours imports the Auto class that it is
registered with, so transformers can load them in any order.
"""

from __future__ import annotations

from types import ModuleType

from wrapt import register_post_import_hook

__all__ = ["register_when_loaded"]


def register_when_loaded() -> None:
    """Register configs, models and the video processor, each as soon as its Auto class is loaded."""
    for hook, module in (
        (_register_configs, "configuration_auto"),
        (_register_models, "modeling_auto"),
        (_register_processor, "video_processing_auto"),
    ):
        register_post_import_hook(hook, f"transformers.models.auto.{module}")


def _register_configs(_: ModuleType) -> None:
    from transformers.models.auto.configuration_auto import AutoConfig

    from hf_selfdistill.models.configuration_c3d import C3DConfig
    from hf_selfdistill.models.configuration_r2plus1d import R2Plus1DConfig

    for config in (C3DConfig, R2Plus1DConfig):
        AutoConfig.register(config.model_type, config)


def _register_models(_: ModuleType) -> None:
    from transformers.models.auto.modeling_auto import AutoModel, AutoModelForVideoClassification

    from hf_selfdistill.models.modeling_c3d import C3DForVideoClassification, C3DModel
    from hf_selfdistill.models.modeling_r2plus1d import R2Plus1DForVideoClassification, R2Plus1DModel

    for model in (C3DModel, R2Plus1DModel):
        AutoModel.register(model.config_class, model)
    for classifier in (C3DForVideoClassification, R2Plus1DForVideoClassification):
        AutoModelForVideoClassification.register(classifier.config_class, classifier)


def _register_processor(_: ModuleType) -> None:
    from transformers.models.auto.video_processing_auto import AutoVideoProcessor

    from hf_selfdistill.models.configuration_c3d import C3DConfig
    from hf_selfdistill.models.configuration_r2plus1d import R2Plus1DConfig
    from hf_selfdistill.models.video_processing_c3d import C3DVideoProcessor

    for config in (C3DConfig, R2Plus1DConfig):
        AutoVideoProcessor.register(config, C3DVideoProcessor)
