"""A fine-tuned classifier for other runtimes: ONNX, and PyTorch's own exported program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

__all__ = ["FORMATS", "export_classifier"]

FORMATS = {"onnx": "model.onnx", "torch_export": "model.pt2"}
"""Format → the file that it is written to."""


class Logits(nn.Module):
    """A classifier that takes one tensor and gives one, as other runtimes know it."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Clips (B, T, C, H, W) → logits (B, classes)."""
        return self.model(**{self.model.main_input_name: pixel_values}, return_dict=True).logits


def export_classifier(model: PreTrainedModel, clips: Tensor, form: str, folder: Path) -> Path:
    """Writes a classifier that takes any number of clips of one size.

    Args:
        model: in evaluation mode.
        clips: an example of what it takes, (2, T, C, H, W).
        form: one of `FORMATS`.
        folder: where the file goes; it is made.

    Returns:
        The file.

    Raises:
        ValueError: the model can't be exported, or a package is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, batch = folder / FORMATS[form], torch.export.Dim("batch")
    settings: dict[str, Any] = {"dynamic_shapes": ({0: batch},), "strict": False}
    try:
        program = torch.export.export(Logits(model), (clips,), **settings)
        if form == "onnx":
            names: dict[str, Any] = {"input_names": ["pixel_values"], "output_names": ["logits"]}
            torch.onnx.export(program, (), file, external_data=False, dynamo=True, verbose=False, **names)
        else:
            torch.export.save(program, file)
    except ImportError as error:
        raise ValueError(f'{error.name} is missing: pip install "hf_selfdistill[export]"') from error
    except Exception as error:  # torch has no common class for what it can't trace or translate
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"a {model.config.model_type} can't be exported as {form}: {reason}") from error
    return file
