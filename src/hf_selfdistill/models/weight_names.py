"""Translation of other codebases' names of the weights of C3D and R(2+1)D to ours."""

from __future__ import annotations

import re

__all__ = ["rename_c3d", "rename_r2plus1d", "rename_torchvision_r2plus1d"]


def rename_c3d(key: str) -> str | None:
    """Translate a name of C3D in VCOP, Pace and RSPNet; return None for other names.

    For instance `conv3b.weight` → `stages.2.layers.1.conv.weight`.
    """
    match = re.fullmatch(r"(conv|bn)([1-9])([a-z]?)\.(\w+)", key)
    if match is None:
        return None
    kind, stage, letter, weight = match.groups()
    layer = ord(letter) - ord("a") if letter else 0
    return f"stages.{int(stage) - 1}.layers.{layer}.{'conv' if kind == 'conv' else 'norm'}.{weight}"


_R2PLUS1D_PARTS = {
    "conv1": "conv1",
    "conv2": "conv2",
    "bn1": "norm1",
    "bn2": "norm2",
    "downsampleconv": "shortcut",
    "downsamplebn": "shortcut.norm",
}
_FACTORED_PARTS = {"spatial_conv": "spatial", "bn": "mid_norm", "temporal_conv": "temporal"}


def rename_r2plus1d(key: str) -> str | None:
    """Translate a name of R(2+1)D in VCOP, Pace and RSPNet; return None for other names.

    For instance `conv4.block1.conv2.spatial_conv.weight` → `stages.2.blocks.0.conv2.spatial.weight`.
    """
    if match := re.fullmatch(r"conv1\.(spatial_conv|bn|temporal_conv)\.(\w+)", key):
        return f"stem.{_FACTORED_PARTS[match[1]]}.{match[2]}"
    if match := re.fullmatch(r"bn1\.(\w+)", key):
        return f"stem.norm.{match[1]}"
    match = re.fullmatch(
        r"conv([2-9])\.(?:block1|blocks\.(\d+))\.(\w+?)(?:\.(spatial_conv|bn|temporal_conv))?\.(\w+)", key
    )
    if match is None or match[3] not in _R2PLUS1D_PARTS:
        return None
    block = 0 if match[2] is None else int(match[2]) + 1
    parts = [f"stages.{int(match[1]) - 2}.blocks.{block}", _R2PLUS1D_PARTS[match[3]]]
    return ".".join([*parts, *([_FACTORED_PARTS[match[4]]] if match[4] else []), match[5]])


_TORCHVISION_STEM = {"0": "spatial", "1": "mid_norm", "3": "temporal", "4": "norm"}
_TORCHVISION_PARTS = {"0.0": "spatial", "0.1": "mid_norm", "0.3": "temporal"}


def rename_torchvision_r2plus1d(key: str) -> str | None:
    """Translate a name of R(2+1)D in torchvision; return None for other names.

    For instance `layer2.0.conv1.0.3.weight` → `stages.1.blocks.0.conv1.temporal.weight`.
    """
    if match := re.fullmatch(r"stem\.([0134])\.(\w+)", key):
        return f"stem.{_TORCHVISION_STEM[match[1]]}.{match[2]}"
    match = re.fullmatch(r"layer(\d)\.(\d+)\.(?:conv([12])\.(0\.[013]|1)|downsample\.([01]))\.(\w+)", key)
    if match is None:
        return None
    stage, block, conv, part, shortcut, weight = match.groups()
    if shortcut is not None:
        name = "shortcut.norm" if shortcut == "1" else "shortcut.conv"
    else:
        name = f"norm{conv}" if part == "1" else f"conv{conv}.{_TORCHVISION_PARTS[part]}"
    return f"stages.{int(stage) - 1}.blocks.{block}.{name}.{weight}"
