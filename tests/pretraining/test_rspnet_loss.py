import pytest
import torch

from hf_selfdistill.pretraining.rspnet_loss import instance_logits, instance_loss, speed_loss

# Values that the released code gives on these inputs.
TAU = 0.07
QUERY = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
SAME = torch.tensor([[0.6, 0.8], [0.8, 0.6]])
OTHER = torch.tensor([[0.8, 0.6], [0.6, 0.8]])
QUEUE = torch.tensor([[0.0, 1.0], [-0.6, 0.8], [0.28, 0.96]])


@pytest.mark.parametrize(("key", "expected"), [(SAME, 3.1052732), (OTHER, 1.6881464)])
def test_instance_discrimination_equals_the_released_code(key, expected):
    assert instance_loss(instance_logits(QUERY, key, QUEUE, TAU)).item() == pytest.approx(expected, abs=1e-6)


def test_relative_speed_equals_the_released_code():
    same, other = torch.tensor([0.9, 0.5]) / TAU, torch.tensor([0.8, 0.45]) / TAU
    assert speed_loss(same, other, 2.0).item() == pytest.approx(0.9285717, abs=1e-6)


def test_logits_are_the_key_first_and_then_the_queue():
    logits = instance_logits(QUERY, SAME, QUEUE, TAU)
    assert logits[0].tolist() == pytest.approx([0.6 / TAU, 0.0, -0.6 / TAU, 0.28 / TAU], rel=1e-6)


def test_a_clip_ranked_right_by_more_than_the_margin_costs_nothing():
    assert speed_loss(torch.tensor([5.0]), torch.tensor([2.9]), 2.0) == 0


def test_half_precision_around_it_does_not_change_it():
    vectors = torch.nn.functional.normalize(torch.randn(9, 50, generator=torch.Generator().manual_seed(0)))
    with torch.autocast("cpu", torch.bfloat16):
        inside = instance_logits(vectors[:3], vectors[3:6], vectors[6:], TAU)
    assert torch.equal(inside, instance_logits(vectors[:3], vectors[3:6], vectors[6:], TAU))
