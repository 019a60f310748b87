"""C3D and R(2+1)D as VCOP, Pace and RSPNet release them, in plain PyTorch and under their names.

Written from the description of the nets, independent of the package: what the package computes is compared to them.
`forward` takes (B, C, T, H, W) and returns the last feature map.
"""

import torch
from torch import nn


class ReferenceC3D(nn.Module):
    def __init__(self, widths=(64, 128, 256, 512, 512)):
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        pairs = {
            "1": (3, w1),
            "2": (w1, w2),
            "3a": (w2, w3),
            "3b": (w3, w3),
            "4a": (w3, w4),
            "4b": (w4, w4),
            "5a": (w4, w5),
            "5b": (w5, w5),
        }
        for name, (before, after) in pairs.items():
            setattr(self, f"conv{name}", nn.Conv3d(before, after, 3, stride=1, padding=1, bias=True))
            setattr(self, f"bn{name}", nn.BatchNorm3d(after))
        self.linear = nn.Linear(w5, 1)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = nn.functional.max_pool3d(x, (1, 2, 2), (1, 2, 2))
        x = torch.relu(self.bn2(self.conv2(x)))
        x = nn.functional.max_pool3d(x, 2, 2)
        x = torch.relu(self.bn3a(self.conv3a(x)))
        x = torch.relu(self.bn3b(self.conv3b(x)))
        x = nn.functional.max_pool3d(x, 2, 2)
        x = torch.relu(self.bn4a(self.conv4a(x)))
        x = torch.relu(self.bn4b(self.conv4b(x)))
        x = nn.functional.max_pool3d(x, 2, 2)
        x = torch.relu(self.bn5a(self.conv5a(x)))
        return torch.relu(self.bn5b(self.conv5b(x)))


class SpatioTemporalConv(nn.Module):
    def __init__(self, before, after, kernel, stride, padding):
        super().__init__()
        (kt, kh, kw), (st, sh, sw), (pt, ph, pw) = kernel, stride, padding
        mid = int((kt * kh * kw * before * after) / (kh * kw * before + kt * after))
        self.spatial_conv = nn.Conv3d(before, mid, (1, kh, kw), (1, sh, sw), (0, ph, pw), bias=False)
        self.bn = nn.BatchNorm3d(mid)
        self.temporal_conv = nn.Conv3d(mid, after, (kt, 1, 1), (st, 1, 1), (pt, 0, 0), bias=False)

    def forward(self, x):
        return self.temporal_conv(torch.relu(self.bn(self.spatial_conv(x))))


class ResBlock(nn.Module):
    def __init__(self, before, after, downsample=False):
        super().__init__()
        self.downsample = downsample
        stride = (2, 2, 2) if downsample else (1, 1, 1)
        if downsample:
            self.downsampleconv = SpatioTemporalConv(before, after, (1, 1, 1), stride, (0, 0, 0))
            self.downsamplebn = nn.BatchNorm3d(after)
        self.conv1 = SpatioTemporalConv(before, after, (3, 3, 3), stride, (1, 1, 1))
        self.bn1 = nn.BatchNorm3d(after)
        self.conv2 = SpatioTemporalConv(after, after, (3, 3, 3), (1, 1, 1), (1, 1, 1))
        self.bn2 = nn.BatchNorm3d(after)

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.downsample:
            x = self.downsamplebn(self.downsampleconv(x))
        return torch.relu(x + y)


class ResLayer(nn.Module):
    def __init__(self, before, after, depth, downsample):
        super().__init__()
        self.block1 = ResBlock(before, after, downsample)
        self.blocks = nn.ModuleList(ResBlock(after, after) for _ in range(depth - 1))

    def forward(self, x):
        x = self.block1(x)
        for block in self.blocks:
            x = block(x)
        return x


class ReferenceR2Plus1D(nn.Module):
    def __init__(self, widths=(64, 64, 128, 256, 512), depths=(1, 1, 1, 1)):
        super().__init__()
        self.conv1 = SpatioTemporalConv(3, widths[0], (3, 7, 7), (1, 2, 2), (1, 3, 3))
        self.bn1 = nn.BatchNorm3d(widths[0])
        self.conv2 = ResLayer(widths[0], widths[1], depths[0], downsample=False)
        self.conv3 = ResLayer(widths[1], widths[2], depths[1], downsample=True)
        self.conv4 = ResLayer(widths[2], widths[3], depths[2], downsample=True)
        self.conv5 = ResLayer(widths[3], widths[4], depths[3], downsample=True)
        self.linear = nn.Linear(widths[4], 1)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.conv5(self.conv4(self.conv3(self.conv2(x))))


def unsettled(net):
    """The net with running statistics and affine weights as after some training, so that none of them can be lost."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            module.num_batches_tracked += 7
    return net
