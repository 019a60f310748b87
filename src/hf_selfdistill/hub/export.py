"""Export of a fine-tuned classifier as ONNX or as a PyTorch exported program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

__all__ = ["FORMATS", "export_classifier"]

FORMATS = {"onnx": "model.onnx", "torch_export": "model.pt2"}
"""Format → name of the file."""


class Logits(nn.Module):
    """A classifier that maps one tensor to one tensor, as other runtimes need it."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Map clips `(B, T, C, H, W)` to logits `(B, classes)`."""
        return self.model(**{self.model.main_input_name: pixel_values}, return_dict=True).logits


def export_classifier(model: PreTrainedModel, clips: Tensor, form: str, folder: Path) -> Path:
    """Export a classifier that takes any number of clips of one size.

    Args:
        model: a classifier in evaluation mode.
        clips: example clips `(2, T, C, H, W)`.
        form: a format, one of `FORMATS`.
        folder: folder of the file; created if missing.

    Returns:
        Path of the file.

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
    except Exception as error:  # torch has no common class for errors of tracing and translation
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"a {model.config.model_type} can't be exported as {form}: {reason}") from error
    return file
