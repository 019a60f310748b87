import numpy as np
import pytest
import torch

from hf_selfdistill.evaluation import retrieval
from hf_selfdistill.evaluation.retrieval import ranks_of_first_hit, retrieval_accuracy


def random_videos(videos, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(videos, 6, generator=generator), torch.randint(classes, (videos,), generator=generator)


def by_hand(queries, query_labels, gallery, gallery_labels, k):
    """Cosine distances one by one in numpy, sorted in full."""
    hits = 0
    for query, label in zip(queries.numpy().astype(float), query_labels.tolist(), strict=True):
        distances = [
            1 - query @ video / np.linalg.norm(query) / np.linalg.norm(video)
            for video in gallery.numpy().astype(float)
        ]
        hits += label in gallery_labels.numpy()[np.argsort(distances, kind="stable")[:k]]
    return hits / len(queries)


@pytest.mark.parametrize("at_once", [7, 1024])
def test_accuracies_equal_an_independent_computation(monkeypatch, at_once):
    monkeypatch.setattr(retrieval, "QUERIES_AT_ONCE", at_once)
    videos = (*random_videos(40, 8, seed=0), *random_videos(60, 8, seed=1))
    figures = retrieval_accuracy(*videos)
    assert list(figures) == ["top1", "top5", "top10", "top20", "top50"]
    for k in (1, 5, 10, 20, 50):
        assert figures[f"top{k}"] == pytest.approx(by_hand(*videos, k))
    assert 0 < figures["top1"] < figures["top50"]


def test_the_length_of_features_has_no_effect():
    queries, query_labels, gallery, labels = (*random_videos(20, 4, seed=0), *random_videos(30, 4, seed=1))
    scales = torch.linspace(0.01, 100, 30)[:, None]
    ranks = ranks_of_first_hit(queries, query_labels, gallery, labels)
    assert torch.equal(ranks_of_first_hit(queries, query_labels, gallery * scales, labels), ranks)


def test_a_k_beyond_the_gallery_is_the_share_of_queries_whose_class_it_has():
    gallery, labels = torch.eye(3, 6), torch.tensor([0, 0, 1])
    queries, query_labels = random_videos(4, 1, seed=2)[0], torch.tensor([0, 1, 1, 2])
    figures = retrieval_accuracy(queries, query_labels, gallery, labels, ks=(3, 5, 50))
    assert figures == {"top3": 0.75, "top5": 0.75, "top50": 0.75}


def test_collapsed_features_find_only_the_first_class_of_the_gallery():
    gallery, labels = torch.ones(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    figures = retrieval_accuracy(torch.ones(3, 4), torch.tensor([0, 1, 2]), gallery, labels, ks=(1,))
    assert figures["top1"] == pytest.approx(1 / 3)


def test_differences_in_the_last_digits_of_features_count():
    # Single precision would call both similarities 1.
    base = torch.tensor([1.0, 0.0])
    gallery = torch.stack([base + torch.tensor([0, 2e-5]), base + torch.tensor([0, 1e-5])])
    ranks = ranks_of_first_hit(base[None], torch.tensor([1]), gallery, torch.tensor([0, 1]))
    assert ranks.tolist() == [0]


@pytest.mark.parametrize(("queries", "gallery", "named"), [(0, 3, "query"), (3, 0, "gallery")])
def test_an_empty_part_is_named(queries, gallery, named):
    with pytest.raises(ValueError, match=f"no {named} video"):
        retrieval_accuracy(*random_videos(queries, 2, seed=0), *random_videos(gallery, 2, seed=0))
