from __future__ import annotations

import copy
import math

import pytest
import torch

from hf_selfdistill import C3DConfig, C3DModel, R2Plus1DConfig, R2Plus1DModel
from hf_selfdistill.evaluation.drift import LinearCKA, effective_rank, weight_distance


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(40, 6, generator=generator) * torch.arange(1.0, 7.0), torch.randn(40, 5, generator=generator)


def unbiased_hsic_by_the_sums(x, y):
    """Song et al.'s estimator written out over all quadruples of different videos (slow, in float64)."""
    k, m = (x.double() @ x.double().T), (y.double() @ y.double().T)
    n, total, count = len(x), 0.0, 0
    for i in range(n):
        for j in range(n):
            for q in range(n):
                for r in range(n):
                    if len({i, j, q, r}) == 4:
                        total += float(k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]))
                        count += 1
    return total / count


def test_cka_equals_the_sum_over_all_quadruples(features):
    x, y = (part[:9] for part in features)
    y = y + x[:, :5]
    parts = [unbiased_hsic_by_the_sums(a, b) for a, b in ((x, y), (x, x), (y, y))]
    assert LinearCKA(x, y)() == pytest.approx(parts[0] / math.sqrt(parts[1] * parts[2]), abs=1e-6)


def test_cka_in_minibatches_is_the_ratio_of_the_sums_of_their_estimates(features):
    x, y = features[0], features[1] + features[0][:, :5]
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    batches = [order[:8], order[8:16], order[16:24], order[24:32], order[32:]]
    sums = [sum(unbiased_hsic_by_the_sums(a[b], c[b]) for b in batches) for a, c in ((x, y), (x, x), (y, y))]
    assert LinearCKA(x, y, batch_size=8)() == pytest.approx(sums[0] / math.sqrt(sums[1] * sums[2]), abs=1e-6)


def test_a_selection_of_videos_keeps_the_minibatches(features):
    x, y = features[0], features[1] + features[0][:, :5]
    kept = torch.arange(40) % 4 > 0
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    batches = [batch[kept[batch]] for batch in order.split(8)]
    sums = [sum(unbiased_hsic_by_the_sums(a[b], c[b]) for b in batches if len(b) >= 4)
            for a, c in ((x, y), (x, x), (y, y))]  # fmt: skip
    found = LinearCKA(x, y, batch_size=8)(kept)
    assert found == pytest.approx(sums[0] / math.sqrt(sums[1] * sums[2]), abs=1e-6)
    assert LinearCKA(x, y)(kept) != found


def test_minibatches_have_equal_sizes_as_they_have_equal_weights():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(260, 64, generator=generator)
    y = x + torch.randn(260, 64, generator=generator)
    assert LinearCKA(x, y)() == pytest.approx(LinearCKA(x, y, batch_size=260)(), abs=0.05)


def test_cka_ignores_rotations_scales_and_shifts(features):
    x, y = features[0], features[1] + features[0][:, :5]
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1))).Q
    assert LinearCKA(x, x)() == pytest.approx(1)
    assert LinearCKA(x, 3 * y @ rotation + 7)() == pytest.approx(LinearCKA(x, y)(), abs=1e-5)
    assert LinearCKA(x, y)() == pytest.approx(LinearCKA(y, x)())


def test_cka_of_unrelated_features_is_near_0_and_an_invertible_map_lowers_it(features):
    x, noise = features
    assert abs(LinearCKA(x, noise)()) < 0.1
    assert LinearCKA(x, x / torch.arange(1.0, 7.0) ** 2)() < 0.9


def test_cka_of_constant_features_is_nan(features):
    assert math.isnan(LinearCKA(features[0], torch.ones(40, 3))())
    assert math.isnan(LinearCKA(features[0][:3], features[0][:3])())


def test_effective_rank_equals_that_of_the_singular_values():
    features = torch.randn(30, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for part in (features, features.T[:6]):
        values = torch.linalg.svdvals(part - part.mean(0))
        shares = values / values.sum()
        shares = shares[shares > 1e-12]
        assert effective_rank(part) == pytest.approx(torch.exp(-(shares * shares.log()).sum()).item(), rel=1e-4)


def test_effective_rank_counts_directions_with_variance():
    corners = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    assert effective_rank(corners) == pytest.approx(2)
    assert effective_rank(corners * torch.tensor([1.0, 1e-9, 1])) == pytest.approx(1, abs=1e-3)
    assert effective_rank(torch.full((5, 3), 2.0)) == 0


def test_weight_distance_of_weights_scaled_by_a_tenth_is_a_tenth():
    before = C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    after = copy.deepcopy(before)
    with torch.no_grad():
        for parameter in after.parameters():
            parameter *= 1.1
    assert weight_distance(before, before) == 0
    assert weight_distance(before, after) == pytest.approx(0.1, rel=1e-5)


def test_encoders_of_two_architectures_are_refused():
    c3d = C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    other = R2Plus1DModel(R2Plus1DConfig(hidden_sizes=[4, 4, 8, 8, 8], num_frames=8, image_size=16))
    with pytest.raises(ValueError, match="not of one architecture"):
        weight_distance(c3d, other)
