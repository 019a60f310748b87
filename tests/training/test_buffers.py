import json

import buffers_worker
import torch
from processes import run_on_two

from hf_selfdistill.training.buffers import share_buffers


def test_every_process_has_rank_0s_buffers_and_keeps_its_own_weights(tmp_path):
    run_on_two(buffers_worker.main, tmp_path)
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert [one["mean"] for one in seen] == [[1.0] * 3] * 2
    assert [one["weight"] for one in seen] == [[1.0] * 3, [2.0] * 3]


def test_one_process_keeps_what_it_has():
    norm = torch.nn.BatchNorm3d(3)
    norm.running_mean.copy_(torch.arange(3.0))
    share_buffers(norm)
    assert norm.running_mean.tolist() == [0.0, 1.0, 2.0]
