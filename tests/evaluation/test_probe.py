import math

import pytest
import torch

from hf_selfdistill.evaluation import probe
from hf_selfdistill.evaluation.probe import linear_probe, nearest_neighbours


def blobs(videos: int, seed: int, spread: float = 0.5):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(videos) % 3
    centres = torch.tensor([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0]])
    return centres[labels] + spread * torch.randn(videos, 4, generator=generator), labels


def test_neighbours_vote_by_their_cosine():
    generator = torch.Generator().manual_seed(0)
    train, test = torch.randn(40, 5, generator=generator), torch.randn(9, 5, generator=generator)
    labels = torch.randint(4, (40,), generator=generator)
    predicted = nearest_neighbours(train, labels, test, neighbours=7, temperature=0.1)
    for query, mine in zip(test, predicted, strict=True):
        cosines = [(query @ video / query.norm() / video.norm()).item() for video in train]
        nearest = sorted(range(40), key=lambda index: -cosines[index])[:7]
        votes = [sum(math.exp(cosines[i] / 0.1) for i in nearest if labels[i] == label) for label in range(4)]
        assert mine == votes.index(max(votes))


def test_fewer_training_videos_than_neighbours_all_vote():
    assert nearest_neighbours(torch.eye(3), torch.tensor([0, 1, 2]), torch.eye(3)).tolist() == [0, 1, 2]


def test_a_linear_probe_tells_classes_apart_and_is_the_same_each_time():
    train, labels = blobs(60, 1)
    test, expected = blobs(60, 2)
    groups = [str(index // 3) for index in range(60)]
    predicted = linear_probe(train, labels, groups, test)
    assert (predicted == expected).float().mean() > 0.95
    assert torch.equal(predicted, linear_probe(train, labels, groups, test))


def test_the_scale_of_a_feature_does_not_matter():
    (train, labels), (test, _) = blobs(60, 1, spread=1.5), blobs(60, 2, spread=1.5)
    scale, groups = torch.tensor([1e-3, 1.0, 50.0, 7.0]), list(map(str, range(60)))
    same = linear_probe(train, labels, groups, test) == linear_probe(
        train * scale + 5, labels, groups, test * scale + 5
    )
    assert same.float().mean() > 0.98


def test_the_fit_has_no_gradient_left():
    train, labels = blobs(30, 3)
    strength = 0.1
    standard = (train.double() - train.double().mean(0)) / train.double().std(0, correction=0)
    captured = {}

    def remember(features, weight, bias):
        captured.update(weight=weight, bias=bias)
        return features @ weight.T + bias

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe.F, "linear", remember)
        probe._fit_and_predict(train.double(), labels, train.double(), strength)
    weight, bias = captured["weight"].detach(), captured["bias"].detach()
    error = (standard @ weight.T + bias).softmax(1) - torch.nn.functional.one_hot(labels, 3)
    assert (error.T @ standard / 30 + strength * weight).abs().max() < 1e-4
    assert error.mean(0).abs().max() < 1e-4


def test_the_strength_is_chosen_on_whole_groups_of_the_training_part():
    groups = ["a", "a", "b", "b", "c", "d", "e", "f"]
    folds = probe._folds(groups)
    assert all(len({int(fold) for fold, g in zip(folds, groups, strict=True) if g == group}) == 1 for group in groups)
    assert len(folds.unique()) == 5


def test_with_a_single_group_there_is_nothing_to_choose_by():
    train, labels = blobs(30, 1)
    assert len(linear_probe(train, labels, ["one"] * 30, train)) == 30


def test_a_feature_that_never_varies_does_no_harm():
    train, labels = blobs(30, 1)
    train[:, 3] = 1
    predicted = linear_probe(train, labels, list(map(str, range(30))), train)
    assert (predicted == labels).float().mean() > 0.9
