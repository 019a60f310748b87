from __future__ import annotations

import math

import pytest
import torch

from hf_selfdistill.evaluation.drift import LinearCKA, effective_rank
from hf_selfdistill.evaluation.forgetting import retentions
from hf_selfdistill.evaluation.intervals import Estimate, estimated_mean, jackknifed


@pytest.fixture
def values():
    return torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def names(sizes):
    return [str(group) for group, size in enumerate(sizes) for _ in range(size)]


def test_the_interval_of_a_mean_is_the_textbook_interval_with_students_t(values):
    values = values[:12]
    found = jackknifed(lambda kept: values[kept].mean().item(), names([1] * 12))
    width = 2.20099 * values.std().item() / math.sqrt(12)
    assert found.value == pytest.approx(values.mean().item())
    assert (found.low, found.high) == pytest.approx((found.value - width, found.value + width), abs=1e-5)


def test_equal_videos_of_one_group_count_as_one(values):
    alike = values.repeat_interleave(3)
    single = jackknifed(lambda kept: values[kept].mean().item(), names([1] * 40))
    grouped = jackknifed(lambda kept: alike[kept].mean().item(), names([3] * 40))
    assert (grouped.low, grouped.high) == pytest.approx((single.low, single.high))


def test_many_groups_are_left_out_in_blocks():
    values, sizes = torch.randn(400, generator=torch.Generator().manual_seed(1), dtype=torch.float64), []

    def measure(kept):
        sizes.append(int(kept.sum()))
        return values[kept].mean().item()

    in_blocks, exact = jackknifed(measure, names([1] * 400)), estimated_mean(values, names([1] * 400), -9, 9, 400)
    assert sizes == [400] + [380] * 20
    assert in_blocks.high - in_blocks.low == pytest.approx(exact.high - exact.low, rel=0.3)


@pytest.mark.parametrize("values", [[1.0, 0.0, 1.0, 1.0], [1.0, torch.nan, torch.nan, torch.nan]])
def test_a_single_group_has_no_interval(values):
    found = estimated_mean(torch.tensor(values), ["a", "a", "a", "a"] if values[1] == 0 else list("abcd"))
    assert found.as_dict() == {"value": torch.tensor(values).nanmean().item(), "low": None, "high": None}


def test_equal_values_have_an_interval_of_no_width():
    assert estimated_mean(torch.ones(10, dtype=torch.bool), list("abcdefghij")) == Estimate(1, 1, 1)
    assert estimated_mean(torch.tensor([0.25, 0.25, torch.nan]), list("abc")) == Estimate(0.25, 0.25, 0.25)


def test_a_video_without_a_value_is_ignored():
    values = torch.tensor([1.0, 0.0, torch.nan, 1.0, 0.0, torch.nan])
    found = estimated_mean(values, list("aabbcc"))
    assert found == estimated_mean(values[~values.isnan()], list("aabc")) and found.value == 0.5


def test_an_interval_stays_in_the_range_of_its_measure():
    correct = torch.tensor([True, True, False, True, True, True])
    assert estimated_mean(correct, list("aabbcc")).high == 1
    assert estimated_mean(~correct, list("aabbcc")).low == 0
    features = torch.randn(6, 40, generator=torch.Generator().manual_seed(0)) * 0.5 ** torch.arange(6)[:, None]
    rank = jackknifed(lambda kept: effective_rank(features[kept]), list("aabbcc"), lowest=0, highest=5)
    assert 0 <= rank.low < rank.value < rank.high <= 5


def test_an_unknown_end_is_null_in_json():
    assert Estimate(0.5, float("nan"), float("nan")).as_dict() == {"value": 0.5, "low": None, "high": None}


def scatter_and_width(measure_of, groups, draws=40):
    """The scatter of a measure over repeated draws of videos, and the mean of its standard errors."""
    draw = torch.Generator().manual_seed(0)
    found = [jackknifed(measure_of(draw), groups) for _ in range(draws)]
    widths = [(estimate.high - estimate.low) / (2 * 2.093) for estimate in found]  # Student's t for 20 blocks
    return torch.tensor([estimate.value for estimate in found]).std().item(), sum(widths) / draws


def test_the_interval_of_cka_is_about_as_wide_as_the_scatter_of_other_videos():
    def cka(draw):
        before = torch.randn(80, 6, generator=draw)
        return LinearCKA(before, before + torch.randn(80, 6, generator=draw))

    scatter, width = scatter_and_width(cka, names([1] * 80))
    assert width == pytest.approx(scatter, rel=0.35)


@pytest.mark.parametrize("sizes", [[6] * 20, range(2, 22), [1] * 25])
def test_the_interval_of_the_effective_rank_does_not_include_the_effect_of_fewer_videos(sizes):
    """The effective rank grows with the number of videos, which differs between blocks."""

    def rank(draw):
        features = torch.randn(sum(sizes), 64, generator=draw) * 0.95 ** torch.arange(64)
        return lambda kept: effective_rank(features[kept])

    scatter, width = scatter_and_width(rank, names(sizes))
    assert scatter / 1.6 < width < 1.6 * scatter


def shares(mean, spread, groups, draw):
    return (mean + spread * torch.randn(groups, generator=draw)).clamp(0, 1).repeat_interleave(20)


def correct(share, draw):
    return torch.rand(len(share), generator=draw) < share


@pytest.mark.slow
@pytest.mark.parametrize("groups", [3, 5, 10, 20])
def test_the_interval_covers_the_truth_in_95_percent_of_simulations(groups):
    """Each group has 20 videos and its own share of correct predictions, 0.55 on average."""
    draw, covered = torch.Generator().manual_seed(0), 0
    for _ in range(1000):
        found = estimated_mean(correct(shares(0.55, 0.2, groups, draw), draw), names([20] * groups))
        covered += found.low <= 0.55 <= found.high
    assert 0.93 <= covered / 1000 <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("groups", [3, 5, 10, 20])
def test_the_interval_of_the_retention_covers_the_truth_in_95_percent_of_simulations(groups):
    """Accuracy falls from 0.8 to 0.6 on average, with a chance of 0.2."""
    draw, covered, known = torch.Generator().manual_seed(0), 0, 0
    for _ in range(1000):
        before = shares(0.8, 0.1, groups, draw)
        after = before - 0.2 + 0.05 * torch.randn(groups, generator=draw).repeat_interleave(20)
        right = [dict.fromkeys(("linear_probe_top1", "knn_top1"), correct(share, draw)) for share in (before, after)]
        if (found := retentions(*right, names([20] * groups), 0.2)["knn_top1"]) is not None:
            known += 1
            covered += found.low <= 0.4 / 0.6 <= found.high
    assert known > 900 and 0.93 <= covered / known <= 0.975
