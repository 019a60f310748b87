from __future__ import annotations

import pytest
import torch

from hf_selfdistill.evaluation.bootstrap import estimate, resampled_shares


def test_the_draws_scatter_as_theory_says_around_the_share():
    correct = torch.arange(100) < 30
    draws = resampled_shares(correct, [str(index) for index in range(100)])
    assert draws.mean().item() == pytest.approx(0.3, abs=0.01)
    assert draws.std().item() == pytest.approx((0.3 * 0.7 / 100) ** 0.5, rel=0.1)
    found = estimate(0.3, draws)
    assert found.low == pytest.approx(0.3 - 1.96 * 0.0458, abs=0.02)
    assert found.high == pytest.approx(0.3 + 1.96 * 0.0458, abs=0.02)


def test_alike_videos_of_one_group_count_as_one():
    """20 groups of 5 alike videos are as uncertain as 20 videos."""
    correct = (torch.arange(100) // 5) < 6
    single = resampled_shares(correct[::5], [str(index) for index in range(20)])
    grouped = resampled_shares(correct, [str(index // 5) for index in range(100)])
    assert grouped.std().item() == pytest.approx(single.std().item(), rel=0.05)


def test_two_models_are_measured_on_the_same_draws():
    groups = [str(index) for index in range(50)]
    correct = torch.arange(50) % 3 == 0
    torch.testing.assert_close(resampled_shares(correct, groups), 1 - resampled_shares(~correct, groups))


def test_what_is_always_right_is_certain():
    found = estimate(1.0, resampled_shares(torch.ones(10, dtype=torch.bool), list("abcdefghij")))
    assert (found.low, found.high) == (1, 1)
