"""Evidence for a class in a clip: Grad-CAM (Selvaraju et al., ICCV 2017) over time and space."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from hf_selfdistill.models.modeling_video_encoder import VideoEncoderForVideoClassification

__all__ = ["check_explainable", "grad_cam"]


def check_explainable(model: PreTrainedModel) -> None:
    """Check that Grad-CAM supports a model.

    Raises:
        ValueError: the model has no last feature map over time and space.
    """
    if not isinstance(model, VideoEncoderForVideoClassification):
        raise ValueError(
            f"{type(model).__name__} has no last feature map over time and space, which Grad-CAM "
            "needs; use C3DForVideoClassification or R2Plus1DForVideoClassification"
        )


@torch.enable_grad()
def grad_cam(model: PreTrainedModel, pixel_values: Tensor, classes: Tensor) -> Tensor:
    """Return the evidence for a class at each place of a clip.

    The channels of the last feature map are summed, each weighted with the mean gradient of the class's logit with
    respect to the channel. Negative sums are set to 0. The result is interpolated to the size of the clip.

    Args:
        model: a C3D or R(2+1)D classifier, in evaluation mode.
        pixel_values: normalised clips `(B, T, C, H, W)`.
        classes: index of the class of each clip, `(B,)`.

    Returns:
        Evidence `(B, T, H, W)`, scaled to a maximum of 1 in each clip; all 0 in a clip without positive evidence.

    Raises:
        ValueError: the model has no last feature map over time and space.
    """
    check_explainable(model)
    features = model.base_model(pixel_values)  # without a hook: threads share the model
    maps = features.last_hidden_state  # (B, C, t, h, w)
    logits = model.classifier(features.pooler_output)  # (B, classes)
    (gradients,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), maps)
    weights = gradients.mean((2, 3, 4), keepdim=True)  # (B, C, 1, 1, 1)
    evidence = (weights * maps).sum(1, keepdim=True).relu().detach()
    frames, (height, width) = pixel_values.shape[1], pixel_values.shape[3:]
    evidence = nn.functional.interpolate(evidence, (frames, height, width), mode="trilinear")[:, 0]
    greatest = evidence.amax((1, 2, 3), keepdim=True)
    return evidence / torch.where(greatest > 0, greatest, 1.0)
