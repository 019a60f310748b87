import hashlib

import datasets
import pytest

from hf_selfdistill.data.fingerprint import fingerprint


@pytest.fixture
def records():
    def build(paths, labels):
        features = datasets.Features(video=datasets.Video(decode=False), label=datasets.ClassLabel(names=["a", "b"]))
        return datasets.Dataset.from_dict({"video": paths, "label": labels}, features=features)

    return build


def test_it_is_the_hash_of_the_sorted_names_and_labels(records):
    expected = hashlib.sha256("b/x.mp4\tb\nä.mp4\ta".encode()).hexdigest()
    assert fingerprint(records(["/root/ä.mp4", "/root/b/x.mp4"], ["a", "b"]), "/root") == expected


def test_neither_order_nor_place_matters_but_a_label_does(records):
    here = fingerprint(records(["/here/1.mp4", "/here/2.mp4"], [0, 1]), "/here")
    assert fingerprint(records(["/there/2.mp4", "/there/1.mp4"], [1, 0]), "/there") == here
    assert fingerprint(records(["/here/1.mp4", "/here/2.mp4"], [1, 0]), "/here") != here


def test_where_the_hub_keeps_its_files_does_not_matter(records):
    snapshot = f"hub/datasets--u--d/snapshots/{'0a' * 20}"
    here, there = (fingerprint(records([f"/{home}/{snapshot}/b/x.mp4"], ["a"])) for home in ("here", "there"))
    assert here == there == fingerprint(records(["b/x.mp4"], ["a"]))


def test_a_video_without_a_path_goes_by_its_bytes(records):
    video = {"path": None, "bytes": b"video"}
    expected = hashlib.sha256(f"{hashlib.sha256(b'video').hexdigest()}\ta".encode()).hexdigest()
    assert fingerprint(records([video], [0])) == expected


def test_without_labels_it_is_of_the_names_alone(records):
    unlabelled = records(["/root/ä.mp4", "/root/b/x.mp4"], ["a", "b"]).remove_columns("label")
    assert fingerprint(unlabelled, "/root") == hashlib.sha256("b/x.mp4\nä.mp4".encode()).hexdigest()
