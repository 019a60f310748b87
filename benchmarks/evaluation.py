"""Retrieval of nearest neighbours and kNN against faiss's flat index and scikit-learn.

python benchmarks/evaluation.py [--queries 20000 --gallery 200000]
"""

from __future__ import annotations

import argparse

import torch
from interleaved import measure, peer, print_machine, print_table

from hf_selfdistill.evaluation.features import FeatureSet
from hf_selfdistill.evaluation.probe import NEIGHBOURS, knn
from hf_selfdistill.evaluation.retrieval import TOP_K, retrieved


def feature_set(videos: int, dim: int, classes: int) -> FeatureSet:
    labels = torch.randint(classes, (videos,))
    features = torch.randn(classes, dim, generator=torch.Generator().manual_seed(0))[labels] + torch.randn(videos, dim)
    return FeatureSet(features, labels, [str(index) for index in range(videos)], list(range(videos)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--gallery", type=int, default=10000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    torch.manual_seed(0)
    gallery, queries = (feature_set(videos, args.dim, 101) for videos in (args.gallery, args.queries))
    faiss, neighbors = peer("faiss"), peer("sklearn.neighbors")
    subjects = {"retrieval": lambda: retrieved(gallery, queries), "kNN": lambda: knn(gallery, queries)}
    rows = []
    if faiss is not None:
        faiss.omp_set_num_threads(torch.get_num_threads())

        def search(k: int) -> None:
            index = faiss.IndexFlatIP(args.dim)
            index.add(torch.nn.functional.normalize(gallery.features).numpy())
            index.search(torch.nn.functional.normalize(queries.features).numpy(), k)

        subjects |= {"faiss, flat": lambda: search(max(TOP_K)), f"faiss, k = {NEIGHBOURS}": lambda: search(NEIGHBOURS)}
        rows += [("retrieval", "faiss, flat"), ("kNN", f"faiss, k = {NEIGHBOURS}")]
    if neighbors is not None:

        def classify() -> None:
            model = neighbors.KNeighborsClassifier(NEIGHBOURS, metric="cosine", algorithm="brute", weights="distance")
            model.fit(gallery.features.numpy(), gallery.labels.numpy()).predict(queries.features.numpy())

        subjects["scikit-learn"] = classify
        rows.append(("kNN", "scikit-learn"))
    print_machine()
    ms = measure(subjects, args.rounds)
    title = f"{args.queries} queries, {args.gallery} × {args.dim} features, {torch.get_num_threads()} threads"
    print_table(title, [(ours, ms[ours], theirs, ms[theirs]) for ours, theirs in rows])


if __name__ == "__main__":
    main()
