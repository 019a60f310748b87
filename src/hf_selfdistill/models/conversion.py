"""Conversion of checkpoints of released self-supervised and supervised codebases into our encoders.

| source | content of the file | prefix of the encoder | input of the training |
|---|---|---|---|
| `rspnet` | dict with the entry `model` | pre-trained `encoder_q.encoder.`, fine-tuned `encoder.` | as ours |
| `vcop` | state dict | `base_network.` | RGB in [0, 1], not normalised |
| `pace` | dict with the entry `state_dict` (also MAS/STS) | none or `module.` | BGR in [0, 255], not normalised |
| `torchvision` | state dict of `r2plus1d_18` | none | normalised with Kinetics' statistics |

`PREPROCESSING` holds the part of the last column that a `C3DVideoProcessor` implements. VCOP resizes with PIL, which
antialiases; RSPNet and torchvision resize tensors, and Pace resizes with OpenCV, without antialiasing. The channels of
Pace's first convolution are reversed, so that the encoder takes RGB like all our encoders. mmaction2's networks can't
be converted: its C3D has no batch normalisation, and its R(2+1)D has other widths and pools the stem.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .configuration_c3d import C3DConfig
from .configuration_r2plus1d import R2Plus1DConfig
from .modeling_c3d import C3DModel
from .modeling_r2plus1d import R2Plus1DModel
from .weight_names import rename_c3d, rename_r2plus1d, rename_torchvision_r2plus1d

__all__ = ["PREPROCESSING", "SOURCES", "ConversionError", "WeightReport", "load_foreign_checkpoint"]

PREPROCESSING: dict[str, dict[str, Any]] = {
    "rspnet": {"antialias": False},
    "vcop": {"antialias": True, "size": {"shortest_edge": 128}, "do_normalize": False},
    "pace": {"antialias": False, "size": {"shortest_edge": 128}, "rescale_factor": 1.0, "do_normalize": False},
    "torchvision": {
        "antialias": False,
        "size": {"shortest_edge": 128},
        "image_mean": [0.43216, 0.394666, 0.37645],
        "image_std": [0.22803, 0.22145, 0.216989],
    },
}
"""Arguments of `C3DVideoProcessor` for the weights of each source."""


class ConversionError(ValueError):
    """Error for a file that is not a checkpoint of the given source, or of a network that we do not have."""


@dataclass
class WeightReport:
    """Report on the conversion of a checkpoint's weights.

    Args:
        matched: names in our model of the weights that the file contains.
        missing: names in our model of the weights that the file lacks.
        unexpected: names of weights in the file without a counterpart in our model.
        reshaped: names of weights with different shapes in our model and in the file.
        dropped: names of weights in the file that are not needed: heads, and the queue and the key encoder of
            contrastive learning.
    """

    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True if the file contains exactly the weights of the encoder, apart from dropped ones."""
        return not (self.missing or self.unexpected or self.reshaped)

    def __str__(self) -> str:
        rows = [(name, getattr(self, name)) for name in ("matched", "missing", "unexpected", "reshaped", "dropped")]
        return "\n".join(f"{name:<11}{len(keys):>5}  {_abridged(keys)}".rstrip() for name, keys in rows)


def _abridged(keys: list[str], limit: int = 3) -> str:
    return ", ".join(keys[:limit]) + (", …" if len(keys) > limit else "")


def load_foreign_checkpoint(path: str | Path, source: str) -> tuple[C3DModel | R2Plus1DModel, WeightReport]:
    """Convert a released checkpoint to one of our encoders; its weights determine architecture, widths and depths.

    Args:
        path: file written by `torch.save`. It is read with `weights_only=True`, so that it can't run code.
        source: one of `SOURCES`.

    Returns:
        The encoder, in evaluation mode, and a report on each weight. Heads are dropped.

    Raises:
        ConversionError: the file can't be read, is not from the source, or lacks weights of the encoder.
    """
    if source not in SOURCES:
        raise ConversionError(
            f"`source` is {source!r}; allowed are {', '.join(SOURCES)}.{_UNFIT_SOURCES.get(source, '')}"
        )
    checkpoint = _read(Path(path))
    subject = f"{path} as a {source} checkpoint"
    try:
        config, weights, report = _translate(checkpoint, source)
    except ValueError as error:
        raise ConversionError(f"{subject} is too large: {error}") from None
    if config is None:
        raise ConversionError(
            f"{subject} contains neither C3D nor R(2+1)D; its keys are {_abridged(list(checkpoint))}."
            f" {_hint(checkpoint, source)}"
        )
    with torch.device("meta"):  # no memory before the weights fit
        expected = _build(config)
    _compare(weights, expected.state_dict(), report)
    if not report.complete:
        raise ConversionError(
            f"{subject} does not fit {type(expected).__name__}:\n{report}\n{_hint(checkpoint, source)}"
        )
    model = _build(config)
    if source == "pace":
        first = next(iter(model.state_dict()))
        weights[first] = weights[first].flip(1)  # BGR to RGB
    model.load_state_dict(weights)
    return model.eval(), report


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConversionError(f"{path} is not a file; give the downloaded checkpoint.")
    try:
        if zipfile.is_zipfile(path):  # torch.save does not compress
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                    raise ValueError("its content is larger than the file")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises many kinds of errors on a file that is not a checkpoint
        reason = str(error).strip().split("\n")[0]
        raise ConversionError(
            f"{path} can't be read as a checkpoint ({type(error).__name__}: {reason}). The file must be written by"
            " torch.save and hold tensors and plain containers only. If it holds other objects and you trust it, load"
            " it and save its state dict."
        ) from error
    if not isinstance(checkpoint, Mapping) or not all(isinstance(key, str) for key in checkpoint):
        raise ConversionError(
            f"{path} holds a {type(checkpoint).__name__}, not a dictionary of weights; give another."
        )
    return dict(checkpoint)


# Names of classification heads, and of the queue and the key encoder of contrastive learning.
_DROPPED = re.compile(r"(linear|fc\d*|motion_linear|app_linear)\.|queue(_ptr)?$|encoder_k\.")


@dataclass(frozen=True)
class _Source:
    """Location of the encoder in the files of a codebase.

    Args:
        entry: key of the state dict in the file; None if the file is the state dict.
        prefixes: prefixes of the encoder's weights, in the order in which they are tried.
    """

    entry: str | None
    prefixes: tuple[str, ...]


SOURCES: dict[str, _Source] = {
    "rspnet": _Source("model", ("encoder_q.encoder.", "encoder.")),
    "vcop": _Source(None, ("base_network.",)),
    "pace": _Source("state_dict", ("module.", "")),
    "torchvision": _Source(None, ("",)),
}
"""Sources whose checkpoints can be converted."""

_UNFIT_SOURCES = {
    "mmaction2": " mmaction2's C3D has no batch normalisation, and its R(2+1)D has other widths and pools the stem."
}


def _translate(
    checkpoint: dict[str, Any], name: str
) -> tuple[C3DConfig | R2Plus1DConfig | None, dict[str, Tensor], WeightReport]:
    """Return the configuration that the weights imply, the encoder's weights under our names, and the report."""
    source = SOURCES[name]
    state = checkpoint if source.entry is None else checkpoint.get(source.entry, {})
    weights: dict[str, Tensor] = {}
    report = WeightReport()
    if not isinstance(state, Mapping):
        return None, weights, report
    prefix = next((p for p in source.prefixes if any(key.startswith(p) for key in state)), "")
    rename = rename_torchvision_r2plus1d if name == "torchvision" else _rename_for(state)
    for key, value in state.items():
        # RSPNet's projection heads, `encoder_q.fc1.…`, are outside the encoder's prefix.
        if any(_DROPPED.match(part) for part in (key, key.removeprefix(prefix), key.removeprefix("encoder_q."))):
            report.dropped.append(key)
        elif key.startswith(prefix) and _is_whole(value) and (ours := rename(key.removeprefix(prefix))):
            weights[ours] = value
        else:
            report.unexpected.append(key)
    return _infer_config(weights, plain=name == "torchvision"), weights, report


def _is_whole(value: Any) -> bool:
    """Return whether a value is a tensor whose elements are all in the file, which a stride of 0 makes unnecessary."""
    dense = isinstance(value, Tensor) and value.layout == torch.strided
    return dense and value.nbytes <= value.untyped_storage().nbytes()


def _rename_for(state: Mapping[str, Any]) -> Callable[[str], str | None]:
    return rename_r2plus1d if any(".spatial_conv." in key for key in state) else rename_c3d


def _infer_config(weights: dict[str, Tensor], plain: bool) -> C3DConfig | R2Plus1DConfig | None:
    """Infer widths and depths from the weights; return None for weights of neither encoder."""
    depths = [0] * (1 + max((int(m[1]) for key in weights if (m := re.match(r"stages\.(\d+)\.", key))), default=-1))
    widths = [0] * len(depths)
    for key, value in weights.items():
        # The last normalisation of a layer or block has the width of its stage.
        if match := re.fullmatch(r"stages\.(\d+)\.(?:layers|blocks)\.(\d+)\.norm2?\.weight", key):
            stage, layer = int(match[1]), int(match[2])
            depths[stage] = max(depths[stage], layer + 1)
            widths[stage] = value.shape[0]
    if not depths or not all(depths):
        return None
    if "stem.spatial.weight" in weights and "stem.norm.weight" in weights:
        mid, channels = weights["stem.spatial.weight"].shape[:2]
        others = {"mid_sizes": "per_block", "stem_mid_size": mid, "shortcut": "plain"} if plain else {}
        widths.insert(0, weights["stem.norm.weight"].shape[0])
        return R2Plus1DConfig(hidden_sizes=widths, depths=depths, num_channels=channels, **others)
    if "stages.0.layers.0.conv.weight" in weights:
        channels = weights["stages.0.layers.0.conv.weight"].shape[1]
        return C3DConfig(hidden_sizes=widths, depths=depths, num_channels=channels)
    return None


def _build(config: C3DConfig | R2Plus1DConfig) -> C3DModel | R2Plus1DModel:
    return C3DModel(config) if isinstance(config, C3DConfig) else R2Plus1DModel(config)


def _compare(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], report: WeightReport) -> None:
    """Sort the renamed weights into matched, missing, unexpected and reshaped."""
    for name, value in weights.items():
        if name not in expected:
            report.unexpected.append(name)
        elif value.shape != expected[name].shape:
            report.reshaped.append(f"{name} {tuple(value.shape)} for {tuple(expected[name].shape)}")
        else:
            report.matched.append(name)
    report.missing.extend(name for name in expected if name not in weights)


_OTHER_NETS = {
    r"(^|\.)feature\.sepConv1\.": "This is an S3D-G.",
    r"(^|\.)layer\d\.\d+\.conv1\.(0\.)?weight$": "This is a 3-D ResNet, such as RSPNet's ResNet-18.",
    r"^backbone\.": "This is a file of mmaction2.",
    r"(^|\.)fc[67]\.weight$": "This is probably the classic C3D without batch normalisation.",
}


def _hint(checkpoint: dict[str, Any], source: str) -> str:
    """Return advice about a file that does not fit."""
    for other in SOURCES:
        config, weights, report = _translate(checkpoint, other)
        if other != source and config is not None:
            with torch.device("meta"):
                _compare(weights, _build(config).state_dict(), report)
            if report.complete:
                return f"It looks like a {other} checkpoint: set `source` to {other}."
    entries = [value for value in checkpoint.values() if isinstance(value, Mapping)]
    keys = [key for state in (checkpoint, *entries) for key in state if isinstance(key, str)]
    for pattern, net in _OTHER_NETS.items():
        if any(re.search(pattern, key) for key in keys):
            return f"{net} Only C3D with batch normalisation and R(2+1)D, from {', '.join(SOURCES)}, can be converted."
    return f"Check the file and `source`; allowed are {', '.join(SOURCES)}."
