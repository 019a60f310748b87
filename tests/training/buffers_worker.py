"""What one process does for `test_buffers.py`: its running mean is its rank until the buffers are shared."""

import json
from pathlib import Path

import torch
from accelerate import PartialState

from hf_selfdistill.training.buffers import share_buffers


def main(out: Path) -> None:
    state = PartialState(cpu=True)
    assert state.num_processes == 2
    norm = torch.nn.BatchNorm3d(3)
    norm.running_mean.fill_(1 + state.process_index)
    norm.weight.data.fill_(1 + state.process_index)
    share_buffers(norm)
    seen = {"mean": norm.running_mean.tolist(), "weight": norm.weight.tolist()}
    (out / f"{state.process_index}.json").write_text(json.dumps(seen))
