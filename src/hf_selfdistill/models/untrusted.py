"""Loading of a model's files, which can be damaged or made by strangers: errors name the file, sizes are limited."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from transformers import AutoConfig, AutoVideoProcessor, BaseVideoProcessor, PreTrainedConfig, PreTrainedModel
from transformers.utils import CONFIG_NAME, VIDEO_PROCESSOR_NAME

from hf_selfdistill.models.configuration_video_encoder import MAX_CLIP_VALUES, MAX_LABELS, MAX_LAYERS

__all__ = ["load_config", "load_part", "load_weights"]

FILES = {AutoConfig: CONFIG_NAME, AutoVideoProcessor: VIDEO_PROCESSOR_NAME}
MAX_NUMBER = 10**7  # in a configuration
LIMITS = {"num_labels": MAX_LABELS, "layers": MAX_LAYERS, "depth": MAX_LAYERS, "vocab_size": MAX_NUMBER}
LIMITS |= dict.fromkeys(["size", "dim", "hidden", "frames", "channels"], 10**5)
"""Part of a setting's name → its largest value; the first part counts."""
MAX_RANDOM = 5 * 10**7  # weights that a checkpoint lacks
TRAINED_IN = torch.float32  # for checkpoints of any precision; half precision comes from autocast (`bf16`)


def load_config(name: str) -> PreTrainedConfig:
    """Return the configuration of a model.

    Args:
        name: folder, or name on the Hub.

    Raises:
        ValueError: its file is damaged, or describes a model that would fill the memory.
        OSError: there is no such model.
    """
    about = f"`model_name_or_path` {name} is not a folder, and names on the Hub have the form user/model"
    if not Path(name).is_dir() and "/" not in name:  # the Hub's few names of this form are not of video models
        raise OSError(f"{about}; check the path")
    try:
        if not Path(name).is_dir():
            validate_repo_id(name)
        return load_part(AutoConfig, name)
    except HFValidationError:
        raise OSError(f"{about}; check the path") from None
    except OSError as error:
        if Path(name).is_dir():
            raise
        raise OSError(f"{about}; the Hub did not give it: {' '.join(str(error).split())}") from error


def load_part(auto_class: Any, name: str, **options: Any) -> Any:
    """Return what `auto_class.from_pretrained` loads, and never ask on the terminal whether to run custom code.

    Raises:
        ValueError: the part needs custom code, its file is damaged, or it would fill the memory.
        OSError: a file is missing.
    """
    try:
        if auto_class in FILES:
            is_config = auto_class is AutoConfig
            read = PreTrainedConfig.get_config_dict if is_config else BaseVideoProcessor.get_video_processor_dict
            _check_numbers(read(name)[0])
        elif Path(name).is_dir():
            _check_weights(auto_class, Path(name))
        return auto_class.from_pretrained(name, trust_remote_code=False, **options)
    except (OSError, ImportError):
        raise
    except Exception as error:  # a damaged file raises any class of error
        file = FILES.get(auto_class, "weights or config.json")
        reason = f"can't be loaded: its {file} is damaged or not supported ({' '.join(str(error).split())[:300]})"
        if "trust_remote_code" in str(error):
            reason = "needs custom code, which is never run; use a model that transformers or hf_selfdistill contains"
        raise ValueError(f"{name} {reason}") from error


def load_weights(auto_class: Any, name: str, **options: Any) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return a model in float32 and the loading info of transformers.

    Raises:
        ValueError: the weights are damaged, or the configuration describes many more weights than the folder holds.
        OSError: a file is missing.
    """
    settings = {"dtype": TRAINED_IN, "ignore_mismatched_sizes": True, "output_loading_info": True, **options}
    return load_part(auto_class, name, **settings)


def _check_weights(auto_class: Any, folder: Path) -> None:
    """Refuse a configuration with many more weights than the folder holds; they would be made at random."""
    files = [file for suffix in ("safetensors", "bin") for file in folder.glob(f"*.{suffix}")]
    held = sum(file.stat().st_size for file in files)
    with torch.device("meta"):
        model = auto_class.from_config(load_config(str(folder)), trust_remote_code=False)
    described = sum(weight.numel() for weight in model.parameters())
    if described > held + MAX_RANDOM:
        raise ValueError(f"{CONFIG_NAME} describes {described} weights, but the files hold {held} bytes")


def _check_numbers(settings: dict[str, Any]) -> None:
    """Refuse numbers that would fill the memory."""
    numbers = list(_numbers(settings))
    labels = len(settings.get("id2label") or ())
    for name, value in [*numbers, ("num_labels", labels)]:
        most = next((most for part, most in LIMITS.items() if part in name), MAX_NUMBER)
        if value > most:
            raise ValueError(f"`{name}` is {value}; at most {most} is allowed")
    sides = ("image_size", "crop_size", "height", "width", "shortest_edge", "longest_edge")
    side = max((value for name, value in numbers if name in sides), default=1)
    frames = max((value for name, value in numbers if "frames" in name), default=1)
    if 3 * frames * side**2 > MAX_CLIP_VALUES:
        raise ValueError(f"a clip of {frames} frames of {side} pixels has more than {MAX_CLIP_VALUES} values")


def _numbers(settings: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers in nested settings, each with the name of its setting."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from _numbers(value, str(key))
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _numbers(value, name)
    elif isinstance(settings, int | float) and math.isfinite(settings):
        yield name, settings
