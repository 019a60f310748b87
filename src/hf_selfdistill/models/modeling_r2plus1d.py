"""R(2+1)D: residual blocks of factored convolutions, space then time (Tran et al., arXiv 1711.11248)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn

from .configuration_r2plus1d import R2Plus1DConfig
from .convolutions import NormsAfterConvolutions, PaddedConv3d
from .modeling_video_encoder import CheckpointedLayer, VideoEncoder, VideoEncoderForVideoClassification

__all__ = ["R2Plus1DForVideoClassification", "R2Plus1DModel", "factored_mid_size"]


def factored_mid_size(in_channels: int, out_channels: int, frames: int, pixels: int) -> int:
    """Return the width that gives a factored convolution about as many weights as the full convolution (section 3.5).

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels.
        frames: length of the kernel in time.
        pixels: height and width of the kernel.
    """
    area = pixels * pixels
    return frames * area * in_channels * out_channels // (area * in_channels + frames * out_channels)


class FactoredConv3d(NormsAfterConvolutions, nn.Module):
    """Convolution over space, batch normalisation, ReLU, and convolution over time, both convolutions without bias."""

    norms_after: ClassVar[dict[str, str]] = {"spatial": "mid_norm"}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        mid_channels: int | None = None,
    ) -> None:
        super().__init__()
        (frames, pixels), (frame_stride, pixel_stride) = kernel, stride
        mid = mid_channels or factored_mid_size(in_channels, out_channels, frames, pixels)
        self.spatial = PaddedConv3d(
            in_channels,
            mid,
            kernel_size=(1, pixels, pixels),
            stride=(1, pixel_stride, pixel_stride),
            padding=(0, pixels // 2, pixels // 2),
            bias=False,
        )
        self.mid_norm = nn.BatchNorm3d(mid)
        self.temporal = PaddedConv3d(
            mid,
            out_channels,
            kernel_size=(frames, 1, 1),
            stride=(frame_stride, 1, 1),
            padding=(frames // 2, 0, 0),
            bias=False,
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, hidden_state: Tensor) -> Tensor:
        return self.temporal(self.activation(self.mid_norm(self.spatial(hidden_state))))


class FactoredShortcut(FactoredConv3d):
    """Factored 1×1×1 convolution and batch normalisation."""

    norms_after: ClassVar[dict[str, str]] = {"spatial": "mid_norm", "temporal": "norm"}

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, kernel=(1, 1), stride=(stride, stride))
        self.norm = nn.BatchNorm3d(out_channels)

    def forward(self, hidden_state: Tensor) -> Tensor:
        return self.norm(super().forward(hidden_state))


class PlainShortcut(NormsAfterConvolutions, nn.Module):
    """1×1×1 convolution and batch normalisation, as in torchvision."""

    norms_after: ClassVar[dict[str, str]] = {"conv": "norm"}

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = PaddedConv3d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
        self.norm = nn.BatchNorm3d(out_channels)

    def forward(self, hidden_state: Tensor) -> Tensor:
        return self.norm(self.conv(hidden_state))


class R2Plus1DStem(FactoredConv3d, CheckpointedLayer):
    """Factored 3×7×7 convolution that halves height and width, batch normalisation, and ReLU; no pooling."""

    norms_after: ClassVar[dict[str, str]] = {"spatial": "mid_norm", "temporal": "norm"}

    def __init__(self, config: R2Plus1DConfig) -> None:
        width = config.hidden_sizes[0]
        super().__init__(config.num_channels, width, (3, 7), (1, 2), mid_channels=config.stem_mid_size)
        self.norm = nn.BatchNorm3d(width)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.activation(self.norm(super().forward(pixels)))


class R2Plus1DBlock(NormsAfterConvolutions, CheckpointedLayer):
    """Two factored 3×3×3 convolutions and a shortcut; a stride halves time, height and width."""

    norms_after: ClassVar[dict[str, str]] = {"conv1.temporal": "norm1", "conv2.temporal": "norm2"}

    def __init__(self, config: R2Plus1DConfig, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        shared_mid = factored_mid_size(in_channels, out_channels, 3, 3) if config.mid_sizes == "per_block" else None
        self.conv1 = FactoredConv3d(in_channels, out_channels, stride=(stride, stride), mid_channels=shared_mid)
        self.norm1 = nn.BatchNorm3d(out_channels)
        self.conv2 = FactoredConv3d(out_channels, out_channels, mid_channels=shared_mid)
        self.norm2 = nn.BatchNorm3d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            shortcut = FactoredShortcut if config.shortcut == "factored" else PlainShortcut
            self.shortcut = shortcut(in_channels, out_channels, stride)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, hidden_state: Tensor) -> Tensor:
        residual = self.activation(self.norm1(self.conv1(hidden_state)))
        residual = self.norm2(self.conv2(residual))
        return self.activation(residual + self.shortcut(hidden_state))


class R2Plus1DStage(nn.Module):
    """Residual blocks of one width; the first block can halve the size."""

    def __init__(self, config: R2Plus1DConfig, in_channels: int, out_channels: int, depth: int, stride: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            R2Plus1DBlock(config, out_channels if i else in_channels, out_channels, 1 if i else stride)
            for i in range(depth)
        )

    def forward(self, hidden_state: Tensor) -> Tensor:
        for block in self.blocks:
            hidden_state = block(hidden_state)
        return hidden_state


class R2Plus1DModel(VideoEncoder):
    """R(2+1)D encoder: a stem and four stages, from 16×112×112 pixels to 512 maps of 2×7×7; the mean is the feature.

    Weights have PyTorch's default initialisation.
    """

    config_class = R2Plus1DConfig
    _no_split_modules: ClassVar[list[str]] = ["R2Plus1DBlock", "R2Plus1DStem"]

    def __init__(self, config: R2Plus1DConfig) -> None:
        super().__init__(config)
        self.stem = R2Plus1DStem(config)
        widths = config.hidden_sizes
        self.stages = nn.ModuleList(
            R2Plus1DStage(config, widths[i], widths[i + 1], depth, stride=2 if i else 1)
            for i, depth in enumerate(config.depths)
        )
        self.post_init()

    def _stages(self) -> Iterable[nn.Module]:
        return (self.stem, *self.stages)


class R2Plus1DForVideoClassification(VideoEncoderForVideoClassification):
    """R(2+1)D with a linear classification head.

    Weights, including those of a new head, have PyTorch's default initialisation.
    """

    config_class = R2Plus1DConfig
    encoder_class = R2Plus1DModel
    _no_split_modules = R2Plus1DModel._no_split_modules
