from dataclasses import replace

import numpy as np
import pytest
import torch

from hf_selfdistill.evaluation import retrieval
from hf_selfdistill.evaluation.features import FeatureSet
from hf_selfdistill.evaluation.retrieval import retrieved


def random_videos(videos, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(videos, 6, generator=generator)
    return feature_set(features, torch.randint(classes, (videos,), generator=generator))


def feature_set(features, labels):
    return FeatureSet(features, labels, [""] * len(labels), list(range(len(labels))))


def share(hits):
    return hits.double().mean().item()


def by_hand(gallery, queries, k):
    """Cosine distances one by one in numpy, sorted in full."""
    hits = 0
    for query, label in zip(queries.features.numpy().astype(float), queries.labels.tolist(), strict=True):
        distances = [
            1 - query @ video / np.linalg.norm(query) / np.linalg.norm(video)
            for video in gallery.features.numpy().astype(float)
        ]
        hits += label in gallery.labels.numpy()[np.argsort(distances, kind="stable")[:k]]
    return hits / len(queries.labels)


@pytest.mark.parametrize("at_once", [7, 1024])
def test_accuracies_equal_an_independent_computation(monkeypatch, at_once):
    monkeypatch.setattr(retrieval, "QUERIES_AT_ONCE", at_once)
    gallery, queries = random_videos(60, 8, seed=1), random_videos(40, 8, seed=0)
    hits = retrieved(gallery, queries)
    assert list(hits) == ["top1", "top5", "top10", "top20", "top50"]
    for k in (1, 5, 10, 20, 50):
        assert share(hits[f"top{k}"]) == pytest.approx(by_hand(gallery, queries, k))
    assert 0 < share(hits["top1"]) < share(hits["top50"])


def test_the_length_of_features_has_no_effect():
    gallery, queries = random_videos(30, 4, seed=1), random_videos(20, 4, seed=0)
    scaled = replace(gallery, features=gallery.features * torch.linspace(0.01, 100, 30)[:, None])
    assert all(map(torch.equal, retrieved(scaled, queries).values(), retrieved(gallery, queries).values()))


def test_a_k_beyond_the_gallery_is_the_share_of_queries_whose_class_it_has():
    gallery = feature_set(torch.eye(3, 6), torch.tensor([0, 0, 1]))
    queries = replace(random_videos(4, 1, seed=2), labels=torch.tensor([0, 1, 1, 2]))
    hits = retrieved(gallery, queries)
    assert share(hits["top5"]) == share(hits["top50"]) == 0.75


def test_collapsed_features_find_only_the_first_class_of_the_gallery():
    gallery = feature_set(torch.ones(6, 4), torch.tensor([0, 0, 1, 1, 2, 2]))
    hits = retrieved(gallery, feature_set(torch.ones(3, 4), torch.tensor([0, 1, 2])))
    assert hits["top1"].tolist() == [True, False, False]


def test_differences_in_the_last_digits_of_features_count():
    # Single precision would call both similarities 1.
    base = torch.tensor([1.0, 0.0])
    gallery = torch.stack([base + torch.tensor([0, 2e-5]), base + torch.tensor([0, 1e-5])])
    gallery, query = feature_set(gallery, torch.tensor([0, 1])), feature_set(base[None], torch.tensor([1]))
    assert retrieved(gallery, query)["top1"].tolist() == [True]
