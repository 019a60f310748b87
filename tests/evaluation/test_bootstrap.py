from __future__ import annotations

import pytest
import torch

from hf_selfdistill.evaluation.bootstrap import Estimate, estimate, estimated_mean, resampled_means


def test_the_draws_scatter_as_theory_says_around_the_share():
    correct = torch.arange(100) < 30
    draws = resampled_means(correct, [str(index) for index in range(100)])
    assert draws.mean().item() == pytest.approx(0.3, abs=0.01)
    assert draws.std().item() == pytest.approx((0.3 * 0.7 / 100) ** 0.5, rel=0.1)
    found = estimate(0.3, draws, 100)
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
    found = estimate(1.0, resampled_means(torch.ones(10, dtype=torch.bool), list("abcdefghij")), 10)
    assert (found.low, found.high) == (1, 1)


def test_a_video_of_which_nothing_is_said_counts_for_nothing():
    values = torch.tensor([1.0, 0.0, torch.nan, 1.0, 0.0, torch.nan])
    found = estimated_mean(values, list("aabbcc"))
    said = estimated_mean(values[~values.isnan()], list("aabc"))
    assert found == said and found.value == 0.5


def test_draws_without_a_value_are_left_out():
    """Two videos of three say something; some draws have neither."""
    found = estimated_mean(torch.tensor([0.25, 0.25, torch.nan]), ["a", "b", "c"])
    assert found == Estimate(0.25, 0.25, 0.25)


@pytest.mark.parametrize("values", [[1.0, 0.0, 1.0, 1.0], [1.0, torch.nan, torch.nan, torch.nan]])
def test_what_a_single_group_says_has_no_interval(values):
    found = estimated_mean(torch.tensor(values), ["a", "a", "a", "a"] if values[1] == 0 else list("abcd"))
    assert found.as_dict() == {"value": torch.tensor(values).nanmean().item(), "low": None, "high": None}


@pytest.mark.parametrize("groups", [7, 10, 20])
def test_the_interval_of_few_groups_covers_the_truth_as_often_as_it_says(groups):
    """Each group has its own share of right answers, 0.55 in the mean."""
    draw, covered = torch.Generator().manual_seed(0), 0
    names = [str(video // 20) for video in range(20 * groups)]
    for _ in range(200):
        share = (0.55 + 0.2 * torch.randn(groups, generator=draw)).clamp(0, 1).repeat_interleave(20)
        found = estimated_mean((torch.rand(20 * groups, generator=draw) < share).double(), names)
        covered += found.low <= 0.55 <= found.high
    assert 0.92 <= covered / 200 <= 0.985


def test_an_end_that_is_not_known_is_null_in_json():
    assert Estimate(0.5, float("nan"), float("nan")).as_dict() == {"value": 0.5, "low": None, "high": None}
