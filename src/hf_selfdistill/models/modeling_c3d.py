"""C3D (Tran et al., arXiv 1412.0767) with batch normalisation, as in VCOP, Pace and RSPNet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn

from .configuration_c3d import C3DConfig
from .convolutions import NormsAfterConvolutions, PaddedConv3d
from .modeling_video_encoder import CheckpointedLayer, VideoEncoder, VideoEncoderForVideoClassification

__all__ = ["C3DForVideoClassification", "C3DModel"]


class C3DLayer(NormsAfterConvolutions, nn.Module):
    """3×3×3 convolution with bias, batch normalisation, and ReLU."""

    norms_after: ClassVar[dict[str, str]] = {"conv": "norm"}

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = PaddedConv3d(in_channels, out_channels, kernel_size=3, padding=1)
        self.norm = nn.BatchNorm3d(out_channels)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, hidden_state: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(hidden_state)))


class C3DStage(CheckpointedLayer):
    """Layers of one width, followed by max-pooling."""

    def __init__(self, in_channels: int, out_channels: int, depth: int, pool: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(C3DLayer(out_channels if i else in_channels, out_channels) for i in range(depth))
        self.pool = pool

    def forward(self, hidden_state: Tensor) -> Tensor:
        for layer in self.layers:
            hidden_state = layer(hidden_state)
        return self.pool(hidden_state)


def _pool(stage: int, num_stages: int) -> nn.Module:
    """Return the pooling after a stage; the first one keeps all frames, and the last stage has none."""
    if stage == num_stages - 1:
        return nn.Identity()
    return nn.MaxPool3d((1, 2, 2) if stage == 0 else 2)


class C3DModel(VideoEncoder):
    """C3D encoder: five stages, from 16×112×112 pixels to 512 maps of 2×7×7; the mean of the maps is the feature.

    Weights have PyTorch's default initialisation.
    """

    config_class = C3DConfig
    channels_last_weights = True
    _no_split_modules: ClassVar[list[str]] = ["C3DStage"]

    def __init__(self, config: C3DConfig) -> None:
        super().__init__(config)
        widths = [config.num_channels, *config.hidden_sizes]
        self.stages = nn.ModuleList(
            C3DStage(widths[i], widths[i + 1], depth, _pool(i, len(config.depths)))
            for i, depth in enumerate(config.depths)
        )
        self.post_init()

    def _stages(self) -> Iterable[nn.Module]:
        return self.stages


class C3DForVideoClassification(VideoEncoderForVideoClassification):
    """C3D with a linear classification head.

    Weights, including those of a new head, have PyTorch's default initialisation.
    """

    config_class = C3DConfig
    encoder_class = C3DModel
    channels_last_weights = True
    _no_split_modules = C3DModel._no_split_modules
