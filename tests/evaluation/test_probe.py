import math
from dataclasses import replace

import pytest
import torch

from hf_selfdistill.evaluation import probe
from hf_selfdistill.evaluation.features import FeatureSet
from hf_selfdistill.evaluation.probe import STRENGTHS, knn, linear_probe, probe_head
from hf_selfdistill.evaluation.retrieval import retrieved


def clusters(videos, seed, noise=1.0):
    """Three classes around three corners, in four groups."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(videos) % 3
    features = torch.eye(3, 8)[labels] + noise * torch.randn(videos, 8, generator=generator)
    return FeatureSet(features, labels, [f"g{index // 3 % 4}" for index in range(videos)], list(range(videos)))


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
    gallery, queries = clusters(60, seed=0), clusters(30, seed=1)
    result = knn(gallery, queries, k)
    by_hand = [
        votes_by_hand(gallery.features, gallery.labels, query, min(k, 60)) for query in queries.features.tolist()
    ]
    assert result.correct.tolist() == [a == b for a, b in zip(by_hand, queries.labels.tolist(), strict=True)]
    assert result.accuracy == pytest.approx(sum(result.correct.tolist()) / 30)
    assert result.setting == min(k, 60)


def test_a_near_neighbour_outvotes_several_far_ones():
    features = torch.tensor([[1.0, 0.05], [0.5, 1.0], [0.4, 1.0], [0.3, 1.0]])
    gallery = FeatureSet(features, torch.tensor([0, 1, 1, 1]), list("abcd"), [0, 1, 2, 3])
    result = knn(gallery, FeatureSet(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), ["e"], [0]), k=4)
    assert result.correct.tolist() == [True]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_fit_equals_gradient_descent(classes):
    features, labels = clusters(45, seed=0).features.double(), torch.arange(45) % classes
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
    gallery, queries = clusters(60, seed=0), clusters(30, seed=1)
    first = linear_probe(gallery, queries)
    assert torch.equal(linear_probe(gallery, queries).correct, first.correct)
    scale, shift = torch.logspace(-4, 4, 8), torch.linspace(-3, 3, 8)

    def moved(part):
        constant = torch.full((len(part.labels), 1), 0.1)
        return replace(part, features=torch.cat([part.features.double() * scale + shift, constant], dim=1))

    assert torch.equal(linear_probe(moved(gallery), moved(queries)).correct, first.correct)


def test_separable_classes_are_separated():
    assert linear_probe(clusters(60, seed=0, noise=0.05), clusters(30, seed=1, noise=0.05)).accuracy == 1.0


def test_the_strength_is_chosen_on_whole_groups_and_never_on_the_test_videos(monkeypatch):
    gallery, queries = clusters(60, seed=0), clusters(30, seed=1)
    fits = []
    real = probe._correct

    def noted(fitted, fitted_labels, seen, seen_labels, strength):
        fits.append((fitted, seen, strength))
        return real(fitted, fitted_labels, seen, seen_labels, strength)

    monkeypatch.setattr(probe, "_correct", noted)
    result = linear_probe(gallery, queries)
    group_of = {tuple(row.tolist()): group for row, group in zip(gallery.features, gallery.groups, strict=True)}
    for fitted, seen, _ in fits[:-1]:
        there, here = ({group_of[tuple(row.tolist())] for row in part} for part in (fitted, seen))
        assert not there & here and there | here == set(gallery.groups)
    assert [strength for *_, strength in fits] == [*STRENGTHS, result.setting]
    assert torch.equal(fits[-1][0], gallery.features) and torch.equal(fits[-1][1], queries.features)


def test_groups_that_cannot_be_held_out_are_refused_with_the_cure():
    gallery = clusters(9, seed=0)
    gallery = replace(gallery, groups=[f"g{label}" for label in gallery.labels.tolist()])
    with pytest.raises(ValueError, match="each group holds all videos of some class; give more groups"):
        linear_probe(gallery, gallery)


def test_a_single_class_is_refused_with_the_cure():
    gallery = replace(clusters(9, seed=0), labels=torch.zeros(9, dtype=torch.long))
    with pytest.raises(ValueError, match="one class, but the linear probe needs two; add another"):
        linear_probe(gallery, gallery)


def test_equally_near_neighbours_count_in_the_order_of_the_gallery():
    """Features that have collapsed are all equal."""
    labels = torch.tensor([1] * 30 + [0] * 970)
    gallery = FeatureSet(torch.ones(1000, 4), labels, ["a"] * 1000, list(range(1000)))
    queries = FeatureSet(torch.ones(2, 4), torch.tensor([0, 1]), ["b"] * 2, [0, 1])
    assert knn(gallery, queries).correct.tolist() == [False, True]


@pytest.mark.parametrize(("train", "test", "named"), [(0, 3, "gallery"), (3, 0, "query")])
def test_an_empty_part_is_named(train, test, named):
    for measure in (knn, linear_probe, retrieved):
        with pytest.raises(ValueError, match=f"no {named} video"):
            measure(clusters(train, seed=0), clusters(test, seed=1))


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_of_the_probe_minimises_the_penalised_cross_entropy_and_has_nothing_for_absent_classes(classes):
    gallery = clusters(60, seed=0)
    gallery = replace(gallery, features=5 + 3 * gallery.features, labels=2 * (gallery.labels % classes))
    strength = linear_probe(gallery, gallery).setting
    weight, bias = (value.double().requires_grad_() for value in probe_head(gallery, 6))
    absent = [label for label in range(6) if label not in gallery.labels]
    assert not weight[absent].any() and not bias[absent].any()
    present = [2 * label for label in range(classes)]
    logits = (gallery.features.double() @ weight.T + bias)[:, present]
    scale = gallery.features.double().std(0, correction=0)  # the penalty is on the weights of standardised features
    penalty = strength / 2 * (weight[present] * scale).square().sum()
    loss = torch.nn.functional.cross_entropy(logits, gallery.labels // 2) + penalty
    gradients = torch.autograd.grad(loss, (weight, bias))
    assert max((gradient[present].abs().max().item()) for gradient in gradients) < 1e-4
