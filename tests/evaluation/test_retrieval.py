import numpy as np
import pytest
import torch

from hf_selfdistill.evaluation.retrieval import KS, retrieval_hits


def by_hand(queries, query_labels, gallery, gallery_labels, k):
    hits = []
    for query, label in zip(queries, query_labels, strict=True):
        cosines = [query @ video / np.linalg.norm(query) / np.linalg.norm(video) for video in gallery]
        nearest = sorted(range(len(gallery)), key=lambda index: -cosines[index])[:k]
        hits.append(any(gallery_labels[index] == label for index in nearest))
    return hits


def test_hits_equal_a_computation_by_hand():
    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(30, 6)), rng.normal(size=(80, 6))
    query_labels, gallery_labels = rng.integers(9, size=30), rng.integers(9, size=80)
    hits = retrieval_hits(*(torch.from_numpy(array) for array in (queries, query_labels, gallery, gallery_labels)))
    assert list(hits) == [f"top{k}" for k in KS]
    for k in KS:
        assert hits[f"top{k}"].tolist() == by_hand(queries, query_labels, gallery, gallery_labels, k)


def test_length_does_not_matter():
    queries, gallery = torch.tensor([[1.0, 0.1]]), torch.tensor([[100.0, 0.0], [0.0, 0.01]])
    assert retrieval_hits(queries, torch.tensor([0]), gallery, torch.tensor([0, 1]))["top1"].item()


@pytest.mark.parametrize(("label", "expected"), [(1, True), (2, False)])
def test_of_a_gallery_smaller_than_k_all_videos_are_taken(label, expected):
    gallery, labels = torch.eye(3), torch.tensor([0, 0, 1])
    hits = retrieval_hits(torch.eye(3)[:1], torch.tensor([label]), gallery, labels)
    assert hits["top50"].tolist() == [expected]
