import pytest
import torch
from accelerate import Accelerator

from hf_selfdistill.self_distillation.terms import LossTerms


def test_terms_are_means_over_clips_and_the_spread_is_that_of_all_clips_together():
    terms, accelerator = LossTerms(), Accelerator(cpu=True)
    # A spread much smaller than the mean is what a collapse looks like, and what a sum of squares would lose.
    batches = [torch.randn(n, 6, dtype=torch.float64) * 1e-3 + 50 for n in (4, 1, 7)]
    for i, features in enumerate(batches):
        terms.add(torch.tensor(float(i)), len(features), torch.tensor(2.0 * i), features.float())
    logged = terms.pop(accelerator)
    every = torch.cat(batches).float().double()
    assert logged["feature_std"] == pytest.approx(every.std(0, correction=0).mean().item(), rel=1e-2)
    assert logged["ce_loss"] == pytest.approx((0 * 4 + 1 * 1 + 2 * 7) / 12)
    assert logged["distill_loss"] == pytest.approx(2 * (0 * 4 + 1 * 1 + 2 * 7) / 12)


def test_what_was_logged_is_not_logged_again():
    terms, accelerator = LossTerms(), Accelerator(cpu=True)
    terms.add(torch.tensor(1.0), 2, None, torch.randn(2, 3))
    assert set(terms.pop(accelerator)) == {"ce_loss", "feature_std"}
    assert terms.pop(accelerator) == {}


def test_clips_without_a_label_weigh_nothing_in_the_cross_entropy():
    terms = LossTerms()
    terms.add(torch.tensor(1.0), 1, torch.tensor(3.0), torch.randn(4, 3))
    terms.add(torch.tensor(2.0), 3, torch.tensor(5.0), torch.randn(4, 3))
    terms.add(torch.tensor(float("nan")), 0, torch.tensor(7.0), torch.randn(4, 3))
    logged = terms.pop(Accelerator(cpu=True))
    assert logged["ce_loss"] == pytest.approx((1 * 1 + 2 * 3) / 4)
    assert logged["distill_loss"] == pytest.approx((3 + 5 + 7) / 3)


def test_a_failed_attempt_is_forgotten():
    terms = LossTerms()
    terms.add(torch.tensor(1.0), 2, None, torch.randn(2, 3))
    terms.clear()
    assert terms.pop(Accelerator(cpu=True)) == {}
