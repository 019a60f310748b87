import math

import pytest
import torch

from hf_selfdistill.evaluation import probe
from hf_selfdistill.evaluation.probe import STRENGTHS, knn, linear_probe


def clusters(videos, seed, noise=1.0):
    """Three classes around three corners, in four groups."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(videos) % 3
    features = torch.eye(3, 8)[labels] + noise * torch.randn(videos, 8, generator=generator)
    return features, labels, [f"g{index // 3 % 4}" for index in range(videos)]


def votes_by_hand(features, labels, query, k):
    cosines = [
        (sum(a * b for a, b in zip(x, query, strict=True)) / math.hypot(*x) / math.hypot(*query), label)
        for x, label in zip(features.tolist(), labels.tolist(), strict=True)
    ]
    votes = [0.0, 0.0, 0.0]
    for cosine, label in sorted(cosines, reverse=True)[:k]:
        votes[label] += math.exp(cosine / 0.07)
    return votes.index(max(votes))


@pytest.mark.parametrize("k", [1, 20, 100])
def test_neighbours_vote_as_computed_by_hand(k):
    features, labels, _ = clusters(60, seed=0)
    tested, of_tested, _ = clusters(30, seed=1)
    result = knn(features, labels, tested, of_tested, k)
    by_hand = [votes_by_hand(features, labels, query, min(k, 60)) for query in tested.tolist()]
    assert result.correct.tolist() == [a == b for a, b in zip(by_hand, of_tested.tolist(), strict=True)]
    assert result.accuracy == pytest.approx(sum(result.correct.tolist()) / 30)
    assert result.setting == min(k, 60)


def test_a_near_neighbour_outvotes_several_far_ones():
    features = torch.tensor([[1.0, 0.05], [0.5, 1.0], [0.4, 1.0], [0.3, 1.0]])
    result = knn(features, torch.tensor([0, 1, 1, 1]), torch.tensor([[1.0, 0.0]]), torch.tensor([0]), k=4)
    assert result.correct.tolist() == [True]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_fit_equals_gradient_descent(classes):
    features, labels = clusters(45, seed=0)[0].double(), torch.arange(45) % classes
    fitted = torch.from_numpy(probe._fit(features, labels, 0.1).predict_log_proba(features.numpy()))
    features = (features - features.mean(0)) / features.std(0, correction=0)
    one_hot = torch.eye(classes, dtype=torch.float64)[labels]
    weight, bias = torch.zeros(classes, 8, dtype=torch.float64), torch.zeros(classes, dtype=torch.float64)
    for _ in range(3000):
        error = ((features @ weight.T + bias).softmax(1) - one_hot) / 45
        weight = weight - 0.3 * (error.T @ features + 0.1 * weight)
        bias = bias - 0.3 * error.sum(0)
    torch.testing.assert_close(fitted, (features @ weight.T + bias).log_softmax(1), atol=1e-5, rtol=0)


def test_the_linear_probe_is_deterministic_and_ignores_scale_shift_and_constant_features():
    features, labels, groups = clusters(60, seed=0)
    tested, of_tested, _ = clusters(30, seed=1)
    first = linear_probe(features, labels, groups, tested, of_tested)
    assert torch.equal(linear_probe(features, labels, groups, tested, of_tested).correct, first.correct)
    scale, shift = torch.logspace(-4, 4, 8), torch.linspace(-3, 3, 8)

    def moved(videos):
        return torch.cat([videos.double() * scale + shift, torch.full((len(videos), 1), 0.1)], dim=1)

    assert torch.equal(linear_probe(moved(features), labels, groups, moved(tested), of_tested).correct, first.correct)


def test_separable_classes_are_separated():
    features, labels, groups = clusters(60, seed=0, noise=0.05)
    tested, of_tested, _ = clusters(30, seed=1, noise=0.05)
    assert linear_probe(features, labels, groups, tested, of_tested).accuracy == 1.0


def test_the_strength_is_chosen_on_whole_groups_and_never_on_the_test_videos(monkeypatch):
    features, labels, groups = clusters(60, seed=0)
    tested, of_tested, _ = clusters(30, seed=1)
    fits = []
    real = probe._correct

    def noted(fitted, fitted_labels, seen, seen_labels, strength):
        fits.append((fitted, seen, strength))
        return real(fitted, fitted_labels, seen, seen_labels, strength)

    monkeypatch.setattr(probe, "_correct", noted)
    result = linear_probe(features, labels, groups, tested, of_tested)
    group_of = {tuple(row.tolist()): group for row, group in zip(features, groups, strict=True)}
    for fitted, seen, _ in fits[:-1]:
        there, here = ({group_of[tuple(row.tolist())] for row in part} for part in (fitted, seen))
        assert not there & here and there | here == set(groups)
    assert [strength for *_, strength in fits] == [*STRENGTHS, result.setting]
    assert torch.equal(fits[-1][0], features) and torch.equal(fits[-1][1], tested)


def test_groups_that_cannot_be_held_out_are_refused_with_the_cure():
    features, labels, _ = clusters(9, seed=0)
    groups = [f"g{label}" for label in labels.tolist()]
    with pytest.raises(ValueError, match="each group holds all videos of some class; give more groups"):
        linear_probe(features, labels, groups, features, labels)


def test_a_single_class_is_refused_with_the_cure():
    features, _, groups = clusters(9, seed=0)
    with pytest.raises(ValueError, match="one class, but the linear probe needs two; add another"):
        linear_probe(features, torch.zeros(9, dtype=torch.long), groups, features, torch.zeros(9, dtype=torch.long))


def test_equally_near_neighbours_count_in_the_order_of_the_gallery():
    """Features that have collapsed are all equal."""
    labels = torch.tensor([1] * 30 + [0] * 970)
    result = knn(torch.ones(1000, 4), labels, torch.ones(2, 4), torch.tensor([0, 1]))
    assert result.correct.tolist() == [False, True]


@pytest.mark.parametrize(("train", "test", "named"), [(0, 3, "training"), (3, 0, "test")])
def test_an_empty_part_is_named(train, test, named):
    features, labels, groups = clusters(train, seed=0)
    tested, of_tested, _ = clusters(test, seed=1)
    with pytest.raises(ValueError, match=f"no {named} video"):
        knn(features, labels, tested, of_tested)
    with pytest.raises(ValueError, match=f"no {named} video"):
        linear_probe(features, labels, groups, tested, of_tested)
