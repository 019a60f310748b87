"""The convolutions of R(2+1)D: planar, channels-last, and as 2-D convolutions.

python benchmarks/convolutions.py --threads 1

Every convolution that `PaddedConv3d` computes in 2-D runs forward and backward. The table has the sums over them.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from functools import partial

import torch
from interleaved import measure, print_machine, print_table
from torch import nn

from hf_selfdistill import R2Plus1DConfig, R2Plus1DModel
from hf_selfdistill.models.convolutions import PaddedConv3d

ARGUMENTS = ("in_channels", "out_channels", "kernel_size", "stride", "padding")


def run(layer: nn.Conv3d, clips: torch.Tensor, direction: torch.Tensor) -> None:
    layer(clips).backward(direction)
    layer.zero_grad()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print_machine()
    dtype, model, shapes = getattr(torch, args.dtype), R2Plus1DModel(R2Plus1DConfig()), {}
    for layer in model.modules():
        if isinstance(layer, PaddedConv3d) and layer.kernel_size != (1, 1, 1):
            layer.register_forward_pre_hook(lambda layer, inputs: shapes.update({layer: inputs[0].shape[1:]}))
    with torch.no_grad():
        model(torch.zeros(1, 16, 3, args.size, args.size))
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for layer, shape in shapes.items():
        plain = nn.Conv3d(**{name: getattr(layer, name) for name in ARGUMENTS}, bias=False)
        layer, plain = layer.to(dtype), plain.to(dtype)
        planar = torch.randn(args.batch_size, *shape, dtype=dtype)
        last = planar.contiguous(memory_format=torch.channels_last_3d)
        subjects = {}
        for kind, (subject, clips) in {
            "planar": (plain, planar),
            "channels-last": (plain, last),
            "2-D": (layer, last),
        }.items():
            direction = torch.ones_like(subject(clips))
            subjects[kind] = partial(run, subject, clips.requires_grad_(shape[0] > 3), direction)
        where = "over space" if layer.kernel_size[0] == 1 else "over time"
        for kind, ms in measure(subjects, args.rounds).items():
            sums[where, kind] += ms
    rows = [
        (f"{where}, {kind}", sums[where, kind], "planar", sums[where, "planar"])
        for where in ("over space", "over time")
        for kind in ("channels-last", "2-D")
    ]
    print_table(f"{args.dtype}, {args.batch_size} clips of 16×{args.size}×{args.size}, {args.threads} threads", rows)


if __name__ == "__main__":
    main()
