from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from hf_selfdistill.evaluation.features import FeatureSet
from hf_selfdistill.evaluation.forgetting import accuracies, chance, compare, drift, retentions
from hf_selfdistill.evaluation.intervals import Estimate

CLASSES, PER_CLASS, DIM = 5, 24, 16


def feature_sets(noise, seed=0):
    """Training and test videos of five classes around five corners, in groups of one video per class."""
    generator = torch.Generator().manual_seed(seed)
    sets = []
    for part in ("train", "test"):
        labels = torch.arange(CLASSES).repeat(PER_CLASS)
        corners = torch.eye(DIM)[labels]
        features = corners + noise * torch.randn(len(labels), DIM, generator=generator)
        groups = [f"{part}{index // CLASSES}" for index in range(len(labels))]
        sets.append(FeatureSet(features, labels, groups, list(range(len(labels))), {"stages.0": features * 2}))
    return sets


def retained(after_noise):
    before, after = (accuracies(*feature_sets(noise)) for noise in (0.3, after_noise))
    known, asked = feature_sets(0.3)
    return retentions(before, after, asked.groups, chance(known, asked))


def test_an_encoder_that_did_not_change_retains_everything():
    assert retained(0.3)["linear_probe_top1"] == Estimate(1, 1, 1)


def test_more_noise_is_more_forgetting():
    some, much = (retained(noise)["linear_probe_top1"] for noise in (0.7, 5.0))
    assert 1 > some.value > much.value
    assert some.low < some.value < some.high < 1
    assert much.low < 0.1 and much.high < 0.4  # chance, at which retention is 0


def test_retention_is_the_remaining_share_of_the_accuracy_beyond_chance():
    groups = [str(index) for index in range(100)]
    right = {name: torch.arange(100) < 60 for name in ("linear_probe_top1", "knn_top1")}
    left = {name: torch.arange(100) < 40 for name in right}
    assert retentions(right, left, groups, 0.2)["knn_top1"].value == pytest.approx(0.5)


def test_random_weights_and_the_difference_in_points_stand_beside_the_retention():
    before, after, random = feature_sets(0.3), feature_sets(0.7), feature_sets(1.5)
    report = compare(before, after, random)
    right = {when: report[when]["linear_probe_top1"]["value"] for when in ("before", "after", "random")}
    assert report["difference"]["value"] == pytest.approx(right["after"] - right["before"])
    nothing = (right["random"] - report["chance"]) / (right["before"] - report["chance"])
    assert report["retention_of_random_weights"]["value"] == pytest.approx(nothing)
    assert 0 < nothing < report["retention"]["value"] < 1
    without = compare(before, after)
    assert without == {name: value for name, value in report.items() if "random" not in name}


def test_an_encoder_no_better_than_chance_has_no_retention():
    known, asked = feature_sets(0.3)
    guessed = {name: torch.arange(len(asked.labels)) % CLASSES == 0 for name in ("linear_probe_top1", "knn_top1")}
    found = retentions(guessed, guessed, asked.groups, chance(known, asked))
    assert found == {"linear_probe_top1": None, "knn_top1": None}


def test_chance_is_the_accuracy_of_the_commonest_class_and_at_least_that_of_a_guess():
    known = FeatureSet(torch.zeros(5, 2), torch.tensor([0, 1, 1, 1, 2]), list("abcde"), list(range(5)))
    asked = FeatureSet(torch.zeros(4, 2), torch.tensor([0, 1, 2, 2]), list("fghi"), list(range(4)))
    assert chance(known, asked) == pytest.approx(1 / 3)
    assert chance(known, replace(asked, labels=torch.tensor([0, 1, 1, 1]))) == 0.75


def test_of_equally_common_classes_the_most_accurate_one_is_chance():
    known = FeatureSet(torch.zeros(4, 2), torch.tensor([0, 0, 1, 1]), list("abcd"), list(range(4)))
    asked = FeatureSet(torch.zeros(4, 2), torch.tensor([0, 1, 1, 1]), list("fghi"), list(range(4)))
    assert chance(known, asked) == 0.75


def test_drift_is_none_for_equal_features_and_large_for_noise():
    (_, before), (_, noisy) = feature_sets(0.3), feature_sets(5.0, seed=1)
    same, moved = drift(before, before), drift(before, noisy)
    one, nothing = (
        pytest.approx(dict.fromkeys(("value", "low", "high"), 1)),
        dict.fromkeys(("value", "low", "high"), 0),
    )
    assert same["cka"] == one and same["cosine"] == one and same["relative_l2"] == nothing
    assert same["layers"] == [{"name": "stages.0", "cka": one}]
    assert same["effective_rank_before"] == same["effective_rank_after"]
    assert moved["cka"]["high"] < 0.5 and moved["relative_l2"]["low"] > 1 and moved["layers"][0]["cka"]["high"] < 0.5
    for interval in (moved["cka"], moved["cosine"], moved["relative_l2"], moved["effective_rank_after"]):
        assert interval["low"] < interval["value"] < interval["high"]


def test_cosine_and_distance_of_known_vectors():
    features = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    before = FeatureSet(features, torch.zeros(2, dtype=torch.long), list("ab"), [0, 1])
    found = drift(before, replace(before, features=torch.tensor([[4.0, -3.0], [2.0, 0.0]])))
    assert found["cosine"]["value"] == pytest.approx((0 + 1) / 2)  # one is rotated by 90°, one is doubled
    assert found["relative_l2"]["value"] == pytest.approx((math.sqrt(50) / 5 + 1) / 2)


def test_the_intervals_of_the_drift_stay_in_range_for_few_groups():
    (_, before), (_, noisy) = feature_sets(0.3), feature_sets(0.6, seed=1)
    few = [f"g{index % 3}" for index in range(len(before.labels))]
    found = drift(replace(before, groups=few), replace(noisy, groups=few))
    assert 0 <= found["cka"]["low"] < found["cka"]["value"] < found["cka"]["high"] <= 1
    assert -1 <= found["cosine"]["low"] and found["cosine"]["high"] <= 1 and found["relative_l2"]["low"] >= 0
    assert 0 <= found["effective_rank_after"]["low"] and found["effective_rank_after"]["high"] <= DIM


def test_constant_features_have_no_cka_and_the_file_has_no_nan():
    (_, before) = feature_sets(0.3)
    flat = replace(before, features=torch.ones(len(before.labels), DIM), layers={"stages.0": before.features * 0})
    found = drift(before, flat)
    assert found["cka"] is None and found["layers"][0]["cka"] is None and found["effective_rank_after"]["value"] == 0
    json.dumps(found, allow_nan=False)


def test_retrieval_accuracy_grows_with_k():
    right = accuracies(*feature_sets(1.0))
    shares = [right[f"retrieval_top{k}"].double().mean().item() for k in (1, 5, 10, 20, 50)]
    assert shares == sorted(shares) and shares[0] < shares[-1]


def test_a_single_group_has_no_retention():
    right = {name: torch.ones(4, dtype=torch.bool) for name in ("linear_probe_top1", "knn_top1")}
    assert retentions(right, right, ["a"] * 4, 0.25) == {"linear_probe_top1": None, "knn_top1": None}
    assert retentions(right, right, list("abcd"), 0.25)["linear_probe_top1"].value == 1
