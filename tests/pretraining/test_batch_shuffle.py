"""On one process; what happens on two is in `test_distributed.py`."""

import torch

from hf_selfdistill.pretraining.batch_shuffle import on_shuffled_batch


def test_one_process_computes_on_its_own_clips():
    clips = torch.arange(4.0)
    (same,) = on_shuffled_batch(lambda seen: (seen,), clips)
    assert torch.equal(same, clips)


def test_keys_have_no_gradient():
    clips = torch.ones(4, requires_grad=True)
    (doubled,) = on_shuffled_batch(lambda seen: (seen * 2,), clips)
    assert not doubled.requires_grad
