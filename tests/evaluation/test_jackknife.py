from __future__ import annotations

import math

import pytest
import torch

from hf_selfdistill.evaluation.bootstrap import estimated_mean
from hf_selfdistill.evaluation.drift import linear_cka
from hf_selfdistill.evaluation.jackknife import MOST_BLOCKS, jackknifed


@pytest.fixture
def values():
    return torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_of_a_mean_it_is_the_textbooks_standard_error(values):
    found = jackknifed(lambda kept: values[kept].mean().item(), [f"{index:02d}" for index in range(40)])
    error = values.std().item() / math.sqrt(40)
    assert found.value == pytest.approx(values.mean().item())
    assert (found.low, found.high) == pytest.approx((found.value - 1.96 * error, found.value + 1.96 * error))


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


def test_the_interval_of_cka_is_about_as_wide_as_other_videos_make_it():
    """The scatter of CKA over sets of videos that are drawn anew, against the interval of each of them."""
    draw = torch.Generator().manual_seed(0)
    values, widths = [], []
    for _ in range(60):
        before = torch.randn(80, 6, generator=draw)
        after = before @ torch.eye(6) + torch.randn(80, 6, generator=draw)
        found = jackknifed(lambda kept, b=before, a=after: linear_cka(b, a, kept=kept), [str(i) for i in range(80)])
        values.append(found.value)
        widths.append((found.high - found.low) / (2 * 1.96))
    scatter = torch.tensor(values).std().item()
    assert scatter == pytest.approx(sum(widths) / 60, rel=0.3)
