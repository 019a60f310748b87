"""3-D convolution that is also right in bfloat16 on CPUs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d, pad

__all__ = ["PaddedConv3d"]


class PaddedConv3d(nn.Conv3d):
    """Convolution that pads clips of two frames itself if it computes in bfloat16 on a CPU.

    On CPUs with AVX-512, oneDNN (PyTorch 2.14) computes wrong gradients of the weights there, infinite ones too, if it
    has to pad the two frames in time.
    """

    def forward(self, hidden_state: Tensor) -> Tensor:
        """Convolve clips (B, C, T, H, W)."""
        frames, *rest = map(int, self.padding)
        if frames and hidden_state.shape[2] == 2 and hidden_state.is_cpu and _computes_in_bfloat16(hidden_state):
            padded = pad(hidden_state, (0, 0, 0, 0, frames, frames))
            return conv3d(padded, self.weight, self.bias, self.stride, (0, *rest))
        return super().forward(hidden_state)


def _computes_in_bfloat16(hidden_state: Tensor) -> bool:
    autocast = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
    return torch.bfloat16 in (hidden_state.dtype, autocast)
