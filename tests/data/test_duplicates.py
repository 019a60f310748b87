import os

import datasets
import pytest

from hf_selfdistill.data.duplicates import check_duplicates

FEATURES = datasets.Features(
    video=datasets.Video(decode=False),
    label=datasets.ClassLabel(names=["a", "b"]),
    group=datasets.Value("string"),
)


def part(*videos, labels=None, groups=None):
    labels = labels or [0] * len(videos)
    groups = groups or [str(number) for number in range(len(videos))]
    held = [
        {"path": None, "bytes": of} if isinstance(of, bytes) else {"path": str(of), "bytes": None} for of in videos
    ]
    return datasets.Dataset.from_dict({"video": held, "label": labels, "group": groups}, features=FEATURES)


@pytest.fixture
def files(tmp_path):
    for name, content in {"1": b"one" * 9, "2": b"two" * 9, "copy": b"one" * 9, "empty": b"", "empty2": b""}.items():
        (tmp_path / name).write_bytes(content)
    os.link(tmp_path / "1", tmp_path / "link")
    return tmp_path


@pytest.mark.parametrize("other", ["1", "copy", "link"])
def test_contents_in_two_parts_are_refused(files, other):
    parts = datasets.DatasetDict(train=part(files / "1"), validation=part(files / "2"), test=part(files / other))
    with pytest.raises(
        ValueError, match=rf"x: .*/1 \(train, group 0\) and .*/{other} \(test, group 0\) have the same"
    ):
        check_duplicates(parts, "x")


def test_bytes_are_compared_with_bytes_and_files(files):
    parts = datasets.DatasetDict(train=part(b"one" * 9, b"x"), validation=part(b"y"), test=part(files / "copy", b"x"))
    with pytest.raises(ValueError, match=r"video 0 \(train, .*/copy \(test, .*\(2 videos occur more than once\)"):
        check_duplicates(parts, "x")


def test_two_groups_or_labels_of_a_part_to_be_cut_are_refused_and_one_group_is_kept_together(files):
    pair = (files / "1", files / "copy")
    for settings in ({"groups": ["p", "q"]}, {"groups": ["p", "p"], "labels": [0, 1]}):
        with pytest.raises(ValueError, match="have the same contents; keep one"):
            check_duplicates(datasets.DatasetDict(train=part(*pair, **settings)), "x")
    check_duplicates(datasets.DatasetDict(train=part(*pair, groups=["p", "p"])), "x")
    whole = datasets.DatasetDict(
        train=part(*pair), validation=part(files / "2"), test=part(files / "2", b"z").select([1])
    )
    check_duplicates(whole, "x")


def test_what_can_not_be_opened_is_left_to_the_reader_of_videos(files):
    for name in ("x.mp4", "y.mp4"):
        (files / name).mkdir()
    check_duplicates(datasets.DatasetDict(train=part(files / "x.mp4"), test=part(files / "y.mp4")), "x")


def test_missing_and_empty_files_and_equal_heads_are_no_duplicates(files):
    first, second = b"h" * 2**16 + b"1", b"h" * 2**16 + b"2"
    train = part(files / "1", files / "empty", files / "nowhere", first)
    check_duplicates(datasets.DatasetDict(train=train, test=part(files / "empty2", files / "nowhere", second)), "x")


def test_lists_that_are_not_the_users_own_are_warned_about(files, caplog):
    check_duplicates(datasets.DatasetDict(train=part(files / "1"), test=part(files / "copy")), "x", refuse=False)
    assert "have the same contents" in caplog.text
