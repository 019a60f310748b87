"""Registration of the encoders with transformers' Auto classes, at the moment when transformers loads those.

The hooks import no more than they register, and transformers and our modules can be imported in any order.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from wrapt import register_post_import_hook

__all__ = ["register_when_loaded"]

_BASE = "hf_selfdistill.models.modeling_video_encoder"
_MODELS = ("hf_selfdistill.models.modeling_c3d", "hf_selfdistill.models.modeling_r2plus1d")


def register_when_loaded() -> None:
    """Register configs, models and the video processor, each as soon as its Auto class is loaded."""
    register_post_import_hook(_register_configs, "transformers.models.auto.configuration_auto")
    register_post_import_hook(_register_processor, "transformers.models.auto.video_processing_auto")
    for model in _MODELS:
        register_post_import_hook(_register_models, model)
    for module in ("transformers.models.auto.modeling_auto", _BASE):
        register_post_import_hook(_load_models, module)


def _register_configs(_: ModuleType) -> None:
    from transformers.models.auto.configuration_auto import AutoConfig

    from hf_selfdistill.models.configuration_c3d import C3DConfig
    from hf_selfdistill.models.configuration_r2plus1d import R2Plus1DConfig

    for config in (C3DConfig, R2Plus1DConfig):
        AutoConfig.register(config.model_type, config)


def _load_models(loaded: ModuleType) -> None:
    """Import the encoders that are not imported yet.

    The base of the encoders imports transformers' `modeling_auto`. During that import nothing is done: this hook
    is called again when the base is complete.
    """
    if loaded.__name__ == _BASE or _BASE not in sys.modules:
        for model in _MODELS:
            if model not in sys.modules:
                import_module(model)


def _register_models(module: ModuleType) -> None:
    from transformers.models.auto.modeling_auto import AutoModel, AutoModelForVideoClassification

    for name in module.__all__:
        thing = getattr(module, name)
        if name.endswith("ForVideoClassification"):
            AutoModelForVideoClassification.register(thing.config_class, thing)
        elif name.endswith("Model"):
            AutoModel.register(thing.config_class, thing)


def _register_processor(_: ModuleType) -> None:
    from transformers.models.auto.video_processing_auto import AutoVideoProcessor

    from hf_selfdistill.models.configuration_c3d import C3DConfig
    from hf_selfdistill.models.configuration_r2plus1d import R2Plus1DConfig
    from hf_selfdistill.models.video_processing_c3d import C3DVideoProcessor

    for config in (C3DConfig, R2Plus1DConfig):
        AutoVideoProcessor.register(config, C3DVideoProcessor)
