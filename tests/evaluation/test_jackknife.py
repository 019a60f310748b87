from __future__ import annotations

import math

import pytest
import torch

from hf_selfdistill.evaluation.bootstrap import estimated_mean
from hf_selfdistill.evaluation.drift import LinearCKA, effective_rank
from hf_selfdistill.evaluation.jackknife import MOST_BLOCKS, jackknifed
from hf_selfdistill.evaluation.student import student


@pytest.fixture
def values():
    return torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_of_a_mean_it_is_the_textbooks_error_with_students_t(values):
    values = values[:12]
    found = jackknifed(lambda kept: values[kept].mean().item(), [f"{index:02d}" for index in range(12)])
    width = 2.201 * values.std().item() / math.sqrt(12)
    assert found.value == pytest.approx(values.mean().item())
    assert (found.low, found.high) == pytest.approx((found.value - width, found.value + width), abs=1e-3)


def test_alike_videos_of_one_group_count_as_one(values):
    alike = values.repeat_interleave(3)
    single = jackknifed(lambda kept: values[kept].mean().item(), [str(index) for index in range(40)])
    grouped = jackknifed(lambda kept: alike[kept].mean().item(), [str(index // 3) for index in range(120)])
    assert (grouped.low, grouped.high) == pytest.approx((single.low, single.high))


def test_many_groups_are_left_out_by_the_block():
    values, seen = torch.randn(400, generator=torch.Generator().manual_seed(1), dtype=torch.float64), []

    def measure(kept):
        seen.append(int(kept.sum()))
        return values[kept].mean().item()

    groups = [str(index) for index in range(400)]
    found, drawn = jackknifed(measure, groups), estimated_mean(values, groups)
    assert seen == [400] + [400 - 400 // MOST_BLOCKS] * MOST_BLOCKS
    assert found.high - found.low == pytest.approx(drawn.high - drawn.low, rel=0.3)


def test_one_group_has_no_interval(values):
    found = jackknifed(lambda kept: values[kept].mean().item(), ["a"] * 40)
    assert found.as_dict() == {"value": pytest.approx(values.mean().item()), "low": None, "high": None}


def scatter_and_width(measure_of, groups, draws=40):
    """The scatter of a figure over videos that are drawn anew, and the mean of its standard errors."""
    draw = torch.Generator().manual_seed(0)
    found = [jackknifed(measure_of(draw), groups) for _ in range(draws)]
    t = student(min(len(set(groups)), MOST_BLOCKS) - 1)
    widths = [(estimate.high - estimate.low) / (2 * t) for estimate in found]
    return torch.tensor([estimate.value for estimate in found]).std().item(), sum(widths) / draws


def test_the_interval_of_cka_is_about_as_wide_as_other_videos_make_it():
    def cka(draw):
        before = torch.randn(80, 6, generator=draw)
        return LinearCKA(before, before + torch.randn(80, 6, generator=draw))

    scatter, width = scatter_and_width(cka, [str(index) for index in range(80)])
    assert width == pytest.approx(scatter, rel=0.35)


@pytest.mark.parametrize("sizes", [[6] * 20, range(2, 22), [1] * 25])
def test_the_interval_of_the_effective_rank_is_not_that_of_the_number_of_videos(sizes):
    """It grows with their number, which blocks of other sizes change."""

    def rank(draw):
        features = torch.randn(sum(sizes), 64, generator=draw) * 0.95 ** torch.arange(64)
        return lambda kept: effective_rank(features[kept])

    scatter, width = scatter_and_width(rank, [str(group) for group, size in enumerate(sizes) for _ in range(size)])
    assert scatter / 1.6 < width < 1.6 * scatter
