from __future__ import annotations

import pytest
import torch

from hf_selfdistill.evaluation.bootstrap import Estimate, estimate, estimated_mean, resampled_means


def test_the_draws_scatter_as_theory_says_around_the_share():
    correct = torch.arange(100) < 30
    draws = resampled_means(correct, [str(index) for index in range(100)])
    assert draws.mean().item() == pytest.approx(0.3, abs=0.01)
    assert draws.std().item() == pytest.approx((0.3 * 0.7 / 100) ** 0.5, rel=0.1)
    found = estimate(0.3, draws)
    assert found.low == pytest.approx(0.3 - 1.96 * 0.0458, abs=0.02)
    assert found.high == pytest.approx(0.3 + 1.96 * 0.0458, abs=0.02)


def test_alike_videos_of_one_group_count_as_one():
    """20 groups of 5 alike videos are as uncertain as 20 videos."""
    correct = (torch.arange(100) // 5) < 6
    single = resampled_means(correct[::5], [str(index) for index in range(20)])
    grouped = resampled_means(correct, [str(index // 5) for index in range(100)])
    assert grouped.std().item() == pytest.approx(single.std().item(), rel=0.05)


def test_two_models_are_measured_on_the_same_draws():
    groups = [str(index) for index in range(50)]
    correct = torch.arange(50) % 3 == 0
    torch.testing.assert_close(resampled_means(correct, groups), 1 - resampled_means(~correct, groups))


def test_what_is_always_right_is_certain():
    found = estimate(1.0, resampled_means(torch.ones(10, dtype=torch.bool), list("abcdefghij")))
    assert (found.low, found.high) == (1, 1)


def test_a_video_of_which_nothing_is_said_counts_for_nothing():
    values = torch.tensor([1.0, 0.0, torch.nan, 1.0, 0.0, torch.nan])
    found = estimated_mean(values, list("aabbcc"))
    said = estimated_mean(values[~values.isnan()], list("aabc"))
    assert found == said and found.value == 0.5


def test_draws_without_a_value_are_left_out():
    """One video of two says something; a quarter of the draws do not have it."""
    found = estimated_mean(torch.tensor([0.25, torch.nan]), ["a", "b"])
    assert found == Estimate(0.25, 0.25, 0.25)


def test_an_end_that_is_not_known_is_null_in_json():
    assert Estimate(0.5, float("nan"), float("nan")).as_dict() == {"value": 0.5, "low": None, "high": None}
