"""3-D convolutions on CPUs: as 2-D convolutions where these are faster, and with right gradients in bfloat16."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv3d, pad

__all__ = ["NormsAfterConvolutions", "PaddedConv3d", "is_exporting"]

# PyTorch 2.6 does not distinguish an export from torch.compile: both then take the path of an export.
is_exporting = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)


class NormsAfterConvolutions:
    """Layer with batch normalisation right after convolutions; `norms_after` maps convolutions to their norm."""

    norms_after: ClassVar[dict[str, str]]


class PaddedConv3d(nn.Conv3d):
    """3-D convolution that avoids two weak spots of PyTorch on CPUs.

    - (1, k, k) and (k, 1, 1) kernels are 2-D convolutions over views of channels-last clips. A (k, 1, 1) kernel on one
      thread takes PyTorch's 3-D convolution up to five times as long. The results differ by rounding at most.
    - Clips of two frames in bfloat16 are padded before the convolution. On CPUs with AVX-512, oneDNN (PyTorch 2.14)
      computes wrong gradients of the weights, infinite ones too, if it has to pad the two frames in time.

    The padding is a number, with zeros.
    """

    def forward(self, hidden_state: Tensor) -> Tensor:
        """Convolve clips (B, C, T, H, W)."""
        frames, *rest = map(int, self.padding)
        if not hidden_state.is_cpu:
            return super().forward(hidden_state)
        if frames and hidden_state.shape[2] == 2 and _computes_in_bfloat16(hidden_state):
            padded = pad(hidden_state, (0, 0, 0, 0, frames, frames))
            return conv3d(padded, self.weight, self.bias, self.stride, (0, *rest), self.dilation, self.groups)
        if is_exporting():
            return super().forward(hidden_state)
        if self.kernel_size[0] == 1 and self.kernel_size[1] > 1 and not frames:
            return self._over_space(hidden_state, rest)
        # oneDNN's strided (k, 1) kernels are slower, and those with k = 1 have corrupted memory.
        if self.kernel_size[0] > 1 and self.kernel_size[1:] == (1, 1) and self.stride == (1, 1, 1) and not any(rest):
            return self._over_time(hidden_state, frames)
        return super().forward(hidden_state)

    def _over_space(self, clips: Tensor, padding: list[int]) -> Tensor:
        frames, weight = clips.transpose(1, 2).flatten(0, 1), self.weight.squeeze(2)  # (B·T, C, H, W), (O, C, k, k)
        maps = conv2d(frames, weight, self.bias, self.stride[1:], padding, self.dilation[1:], self.groups)
        return maps.unflatten(0, (clips.shape[0], clips.shape[2])).transpose(1, 2)

    def _over_time(self, clips: Tensor, padding: int) -> Tensor:
        pixels, weight = clips.flatten(3), self.weight.squeeze(4)  # (B, C, T, H·W), (O, C, k, 1)
        maps = conv2d(pixels, weight, self.bias, 1, (padding, 0), self.dilation[:2], self.groups)
        return maps.unflatten(3, clips.shape[3:])


def _computes_in_bfloat16(hidden_state: Tensor) -> bool:
    autocast = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
    return torch.bfloat16 in (hidden_state.dtype, autocast)
