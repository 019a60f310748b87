"""Model soups: averages of several fine-tuned models (Wortsman et al., ICML 2022, arXiv 2203.05482)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from hf_selfdistill.models.loading import load_for_inference

__all__ = ["average_models"]


@torch.no_grad()
def average_models(models: Sequence[str | Path], output_dir: str | Path) -> None:
    """Save θ̄ = (θ_1 + … + θ_n) / n, the uniform soup of n classifiers, in a new folder with their processor.

    The classifiers are fine-tuned from one encoder, for example with several seeds, and start with one head
    (`head_init` linear_probe); means of unrelated weights are of no use. BatchNorm's running statistics are averaged
    like weights, its counts are those of the first model.

    Args:
        models: folders of the classifiers, or their names on the Hub; at least two.
        output_dir: folder of the average.

    Raises:
        ValueError: there are fewer than two models, or their architectures or classes differ.
        OSError: there is no such model.
    """
    if len(models) < 2:
        raise ValueError(f"`models` has {len(models)} models; give at least two")
    (average, processor), *others = (load_for_inference(str(name)) for name in models)
    weights = average.state_dict()
    states = [other.state_dict() for other, _ in others]
    for name, (other, _), state in zip(models[1:], others, states, strict=True):
        same = {key: value.shape for key, value in state.items()} == {key: v.shape for key, v in weights.items()}
        if not same or other.config.id2label != average.config.id2label:
            raise ValueError(f"`models` {models[0]} and {name} differ in architecture or classes; they must agree")
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            tensor.copy_(torch.stack([tensor, *(state[name] for state in states)]).float().mean(0))
    average.save_pretrained(output_dir)
    processor.save_pretrained(output_dir)
