"""Layers of any encoder, in order from the pixels to the feature."""

from __future__ import annotations

from torch import nn

__all__ = ["layers_of", "parameter_depths"]


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    """Return the successive blocks by name: the items of the longest list of modules.

    The blocks are the stages of C3D and R(2+1)D and the layers of a transformer.

    Args:
        model: an encoder or a classifier.

    Raises:
        ValueError: the model has no list of modules.
    """
    lists = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.ModuleList)]
    if not lists:
        raise ValueError(
            f"{type(model).__name__} has no list of layers (torch.nn.ModuleList), so its depth is unknown; use a "
            "model with such a list"
        )
    name, longest = max(lists, key=lambda item: len(item[1]))  # among equals the first, which is the outermost
    return {f"{name}.{index}": layer for index, layer in enumerate(longest)}


def parameter_depths(model: nn.Module) -> dict[str, int]:
    """Return the depth of each parameter: 0 before the first of n layers, 1 in the first, …, n + 1 after the last.

    Args:
        model: a classifier; its last linear layer is after all layers.
    """
    layers = list(layers_of(model))
    depths, behind = {}, 0
    for name, _ in model.named_parameters():
        inside = [depth for depth, layer in enumerate(layers, start=1) if name.startswith(f"{layer}.")]
        behind = len(layers) + 1 if behind and not inside else max(inside, default=0)
        depths[name] = behind
    return depths
