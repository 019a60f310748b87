from collections import Counter

import datasets
import pytest

from hf_selfdistill.data.splits import check_disjoint, complete_splits, few_of_each_class, held_out_groups


def _records(pairs):
    labels, groups = zip(*pairs, strict=True)
    return datasets.Dataset.from_dict({"label": list(labels), "group": list(groups)})


def test_groups_shared_by_all_classes_are_held_out_whole():
    labels = [label for label in range(5) for _ in range(20)]
    groups = [f"g{video // 2:02d}" for _ in range(5) for video in range(20)]
    assert len(held_out_groups(labels, groups, 0.2, seed=0)) == 2


def test_videos_that_are_their_own_groups_are_held_out_in_equal_shares_of_the_classes():
    labels = [0] * 100 + [1] * 40 + [2] * 10
    groups = [f"video {index}" for index in range(150)]
    held_out = held_out_groups(labels, groups, 0.1, seed=0)
    counts = Counter(labels[groups.index(group)] for group in held_out)
    assert counts == {0: 10, 1: 4, 2: 1}


def test_small_classes_give_about_the_share_wanted_in_all():
    labels = [label for label in range(10) for _ in range(4)]
    held_out = held_out_groups(labels, [str(index) for index in range(40)], 0.1, seed=0)
    counts = Counter(labels[int(group)] for group in held_out)
    assert 3 <= len(held_out) <= 5
    assert max(counts.values()) == 1


def test_no_class_loses_its_last_group():
    labels, groups = [0, 0, 0, 1, 1, 1], ["a", "b", "c", "d", "d", "d"]
    for seed in range(10):
        held_out = held_out_groups(labels, groups, 0.6, seed)
        assert held_out and "d" not in held_out and len(held_out) < 3


def test_one_group_is_held_out_even_if_it_is_too_large():
    assert held_out_groups([0] * 10 + [0] * 12, ["a"] * 10 + ["b"] * 12, 0.1, seed=0) == {"a"}


def test_the_choice_depends_on_the_seed_and_not_on_the_order_of_the_videos():
    labels, groups = [0] * 50, [f"g{index}" for index in range(50)]
    first = held_out_groups(labels, groups, 0.2, seed=0)
    assert held_out_groups(labels, groups[::-1], 0.2, seed=0) == first
    assert held_out_groups(labels, groups, 0.2, seed=1) != first


def test_missing_splits_are_cut_by_whole_groups():
    pairs = [(label, f"g{index // 2}") for label in range(3) for index in range(40)]
    splits = complete_splits(datasets.DatasetDict(train=_records(pairs)), 0.1, seed=0)
    assert {name: len(records) for name, records in splits.items()} == {"train": 84, "validation": 12, "test": 24}
    check_disjoint(splits, "the cut")


def test_the_test_split_that_is_cut_does_not_depend_on_the_seed():
    videos = datasets.DatasetDict(train=_records([(index % 2, str(index)) for index in range(60)]))
    first, second = (complete_splits(videos, 0.2, seed) for seed in (0, 1))
    assert list(first["test"]["group"]) == list(second["test"]["group"])
    assert list(first["validation"]["group"]) != list(second["validation"]["group"])


def test_a_test_split_that_is_cut_is_said_with_its_share_and_how_to_give_another(caplog):
    videos = datasets.DatasetDict(train=_records([(index % 2, str(index)) for index in range(50)]))
    complete_splits(videos, 0.2, seed=0)
    assert "no test split: 20 % of its videos (10 of 50, whole groups, the same for every seed)" in caplog.text
    assert all(way in caplog.text for way in ("a folder test/ beside train/", "a column split", "a split test"))
    caplog.clear()
    complete_splits(datasets.DatasetDict(train=videos["train"], test=videos["train"]), 0.2, seed=0)
    assert not caplog.text


def test_a_fraction_of_0_gives_an_empty_validation_split_with_the_same_columns():
    videos = datasets.DatasetDict(train=_records([(0, "a"), (0, "b")]), test=_records([(0, "c")]))
    splits = complete_splits(videos, 0.0, seed=0)
    assert len(splits["validation"]) == 0
    assert splits["validation"].features == splits["train"].features


def test_a_cut_that_would_empty_a_class_is_refused():
    videos = datasets.DatasetDict(train=_records([(0, "a"), (1, "a")]), test=_records([(0, "c")]))
    with pytest.raises(ValueError, match=r"`validation_fraction` is 0\.1.*`validation_fraction` 0"):
        complete_splits(videos, 0.1, seed=0)


def test_groups_in_two_splits_are_refused_by_name():
    videos = datasets.DatasetDict(train=_records([(0, "g01"), (0, "g02")]), test=_records([(1, "g02"), (1, "g03")]))
    with pytest.raises(ValueError, match="my list: 1 groups are in both train and test: g02;"):
        check_disjoint(videos, "my list")


def test_groups_per_class_are_told_apart():
    videos = datasets.DatasetDict(train=_records([(0, "g02")]), test=_records([(1, "g02")]))
    check_disjoint(videos, "my list", per_class=True)
    with pytest.raises(ValueError, match="g02"):
        check_disjoint(datasets.DatasetDict(train=videos["train"], test=videos["train"]), "my list", per_class=True)


def test_few_videos_are_spread_over_classes_and_their_groups():
    pairs = [
        (label, f"g{group}") for label, groups in ((0, 5), (1, 4), (2, 1)) for group in range(groups) for _ in "abc"
    ]
    few = few_of_each_class(_records(pairs), 9)
    assert Counter(few["label"]) == {0: 3, 1: 3, 2: 3}
    assert [len({group for label, group in zip(few["label"], few["group"], strict=True) if label == own})
            for own in range(3)] == [3, 3, 1]  # fmt: skip
    fewer = few_of_each_class(_records(pairs), 4)
    assert set(fewer["label"]) == {0, 1, 2} and len(fewer) == 4
    assert few_of_each_class(_records(pairs), 99)["group"][:] == [group for _, group in pairs]
