import logging
import os
from pathlib import Path

import datasets
import pytest

import hf_selfdistill.data.datasets as video_datasets
from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.data.moving_shapes import LIST_NAME, write_moving_shapes


def _touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def _ucf101_name(label, group, clip):
    return f"{label}/v_{label}_g{group:02d}_c{clip:02d}.avi"


@pytest.fixture
def ucf101(tmp_path):
    """Two classes (in an order that is not alphabetical), ten groups for training and two for testing."""
    root = tmp_path / "videos"
    names = {
        split: [
            _ucf101_name(label, group, clip) for label in ("Zumba", "Archery") for group in groups for clip in (1, 2)
        ]
        for split, groups in {"train": range(3, 13), "test": range(1, 3)}.items()
    }
    _touch(root, *names["train"], *names["test"])
    lists = root / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Zumba\n2 Archery\n")
    (lists / "trainlist01.txt").write_text("".join(f"{name} 1\n" for name in names["train"]))
    (lists / "testlist01.txt").write_text("".join(f"{name}\n" for name in names["test"]))
    return root


def _csv(folder, text):
    file = folder / "list.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_ucf101_gives_three_splits_of_paths_labels_and_groups(ucf101):
    videos = load_video_dataset("ucf101", ucf101)
    assert {split: len(records) for split, records in videos.items()} == {"train": 36, "validation": 4, "test": 8}
    assert videos["test"][0] == {
        "video": {"bytes": None, "path": str(ucf101 / "Zumba/v_Zumba_g01_c01.avi")},
        "label": 0,
        "group": "g01",
    }
    for records in videos.values():
        assert records.features["label"].names == ["Zumba", "Archery"]
        assert not records.features["video"].decode


def test_validation_is_made_of_whole_groups_and_holds_every_class(ucf101):
    videos = load_video_dataset("ucf101", ucf101, validation_fraction=0.2)
    train, validation = set(videos["train"]["group"]), set(videos["validation"]["group"])
    assert not train & validation
    assert len(validation) == 2
    assert set(videos["validation"]["label"]) == set(videos["train"]["label"]) == {0, 1}


def test_the_same_seed_gives_the_same_validation_split_and_some_other_seed_another(ucf101):
    def groups(seed):
        return set(load_video_dataset("ucf101", ucf101, seed=seed)["validation"]["group"])

    assert groups(0) == groups(0)
    assert len({frozenset(groups(seed)) for seed in range(5)}) > 1


def test_paths_are_absolute_whatever_the_root(ucf101, monkeypatch):
    monkeypatch.chdir(ucf101.parent)
    videos = load_video_dataset("ucf101", "videos", annotations="videos/lists")
    assert all(
        Path(video["path"]).is_file() and Path(video["path"]).is_absolute() for video in videos["train"]["video"]
    )


def test_a_list_whose_test_groups_are_in_train_is_refused(ucf101):
    with (ucf101 / "lists/testlist01.txt").open("a") as stream:
        stream.write(_ucf101_name("Zumba", 7, 1) + "\n")
    with pytest.raises(ValueError, match=r"split 1 in .*lists: 1 groups are in both train and test: g07;"):
        load_video_dataset("ucf101", ucf101)


def test_many_missing_videos_are_refused_with_their_number_and_the_first(ucf101):
    for clip in (1, 2):
        for group in (3, 4):
            (ucf101 / _ucf101_name("Zumba", group, clip)).unlink()
    message = r"4 of 48 videos of .* are missing under .*, the first: Zumba/v_Zumba_g03_c01\.avi; check `root`"
    with pytest.raises(ValueError, match=message):
        load_video_dataset("ucf101", ucf101)
    assert len(load_video_dataset("ucf101", ucf101, max_missing_fraction=0.1)["train"]) == 36


def test_a_few_missing_videos_are_named_and_stay_in_the_data_set(ucf101, caplog):
    (ucf101 / _ucf101_name("Archery", 1, 2)).unlink()
    with caplog.at_level(logging.WARNING):
        videos = load_video_dataset("ucf101", ucf101)
    assert "1 of 48 videos are missing" in caplog.text
    assert "v_Archery_g01_c02.avi" in caplog.text
    assert len(videos["test"]) == 8


def test_hmdb51_keeps_films_apart_within_a_class_only(tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    tags = {"clap": {"A": 1, "B": 1, "C": 2}, "wave": {"A": 2, "B": 1, "D": 1}}
    for label, films in tags.items():
        names = {f"{film}_{label}_u_nm_np1_fr_med_0.avi": tag for film, tag in films.items()}
        _touch(tmp_path, *(f"{label}/{name}" for name in names))
        (lists / f"{label}_test_split1.txt").write_text("".join(f"{name} {tag} \n" for name, tag in names.items()))
    videos = load_video_dataset("hmdb51", tmp_path, lists, validation_fraction=0)
    assert sorted(zip(videos["train"]["label"], videos["train"]["group"], strict=True)) == [
        (0, "A"), (0, "B"), (1, "B"), (1, "D"),
    ]  # fmt: skip
    assert len(videos["validation"]) == 0
    assert list(videos["test"]["label"]) == [0, 1]
    (lists / "clap_test_split1.txt").write_text(
        "A_clap_u_nm_np1_fr_med_0.avi 1\nA_clap_u_nm_np1_fr_med_0.avi 2\nB_clap_u_nm_np1_fr_med_0.avi 1\n"
    )
    with pytest.raises(ValueError, match="in both train and test: A;"):
        load_video_dataset("hmdb51", tmp_path, lists)


def test_class_folders_without_a_test_split_get_one(tmp_path):
    _touch(tmp_path, *(f"{label}/{number}.mp4" for label in ("a", "b") for number in range(50)))
    videos = load_video_dataset("folder", tmp_path)
    assert {split: len(records) for split, records in videos.items()} == {"train": 72, "validation": 8, "test": 20}
    paths = [video["path"] for records in videos.values() for video in records["video"]]
    assert len(set(paths)) == 100


def test_split_folders_are_kept_as_they_are(tmp_path):
    _touch(tmp_path, "train/a/1.mp4", "train/b/1.mp4", "val/a/2.mp4", "test/b/3.mp4")
    videos = load_video_dataset("folder", tmp_path)
    assert {split: len(records) for split, records in videos.items()} == {"train": 2, "validation": 1, "test": 1}
    assert videos["test"].features["label"].names == ["a", "b"]
    assert list(videos["test"]["label"]) == [1]


def test_a_class_that_is_only_tested_is_refused(tmp_path):
    _touch(tmp_path, "train/a/1.mp4", "test/b/1.mp4")
    with pytest.raises(ValueError, match="class 'b' of test has no training video"):
        load_video_dataset("folder", tmp_path)


def test_csv_paths_start_from_the_root_or_from_the_list(tmp_path):
    _touch(tmp_path, "clips/día 1.mp4", "clips/2.mp4")
    file = _csv(tmp_path, "video,label,group,split\nclips/día 1.mp4,x,anna,train\nclips/2.mp4,x,ben,test\n")
    videos = load_video_dataset("csv", annotations=file, validation_fraction=0)
    assert videos["train"][0]["video"]["path"] == str(tmp_path / "clips/día 1.mp4")
    file = _csv(tmp_path, f"video,label,split\ndía 1.mp4,x,train\n{tmp_path / 'clips/2.mp4'},x,test\n")
    videos = load_video_dataset("csv", tmp_path / "clips", file, validation_fraction=0)
    assert Path(videos["train"][0]["video"]["path"]).is_file()
    assert videos["test"][0]["video"]["path"] == str(tmp_path / "clips/2.mp4")


def test_a_csv_file_with_a_group_or_a_file_in_two_splits_is_refused(tmp_path):
    _touch(tmp_path, "1.mp4", "2.mp4")
    file = _csv(tmp_path, "video,label,group,split\n1.mp4,x,anna,train\n2.mp4,x,anna,test\n")
    with pytest.raises(ValueError, match=r"list\.csv: 1 groups are in both train and test: anna;"):
        load_video_dataset("csv", annotations=file)
    file = _csv(tmp_path, "video,label,split\n1.mp4,x,train\n1.mp4,x,validation\n2.mp4,x,test\n")
    with pytest.raises(ValueError, match=r"in both train and validation: 1\.mp4;"):
        load_video_dataset("csv", annotations=file)


def test_one_file_under_two_names_does_not_have_two_parts_groups_or_labels(tmp_path):
    _touch(tmp_path, "a/1.mp4", "a/2.mp4")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    file = _csv(tmp_path, "video,label,group,split\na/1.mp4,x,p,train\nb/1.mp4,x,q,test\n")
    with pytest.raises(ValueError, match=r"a/1\.mp4 \(train\) and b/1\.mp4 \(test\) are the same file"):
        load_video_dataset("csv", annotations=file)
    file = _csv(tmp_path, "video,label\na/1.mp4,x\nb/1.mp4,x\n")
    with pytest.raises(ValueError, match=r"a/1\.mp4 \(a/1\.mp4\) and b/1\.mp4 \(b/1\.mp4\) are the same file"):
        load_video_dataset("csv", annotations=file)
    file = _csv(tmp_path, "video,label,group,split\na/1.mp4,x,p,train\nb/1.mp4,y,p,train\na/2.mp4,x,q,test\n")
    with pytest.raises(ValueError, match=r"a/1\.mp4 \(x\) and b/1\.mp4 \(y\) are the same file"):
        load_video_dataset("csv", annotations=file)


@pytest.mark.parametrize(
    ("listed", "hint"),
    [
        ("a\\{}.mp4", r"with / in place of \\"),
        ("UCF-101/a/{}.mp4", "without the first folder"),
        ("data/UCF-101/a/{}.mp4", "without the first 2 folders"),
        ("a/{}.avi", r"with the suffix \.mp4"),
        ("UCF-101\\a\\{}", r"with / in place of \\, without the first folder, with the suffix \.mp4"),
    ],
    ids=["backslashes", "prefix", "two prefixes", "suffix", "all at once"],
)
def test_the_change_that_finds_missing_videos_is_said(tmp_path, listed, hint):
    _touch(tmp_path, "a/1.mp4", "a/2.mp4")
    file = _csv(tmp_path, "video,label\n" + "".join(f"{listed.format(number)},x\n" for number in (1, 2)))
    with pytest.raises(ValueError, match=rf"2 of 2 videos .*\(2 of them were found {hint}\); check `root`"):
        load_video_dataset("csv", annotations=file)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    _touch(tmp_path, *(f"v/train/{name}" for name in ("a/1.mp4", "b/1.mp4")), "v/test/a/2.mp4")
    assert len(load_video_dataset("folder", "~/v", validation_fraction=0)["train"]) == 2


def test_a_list_without_training_videos_is_refused(tmp_path):
    with pytest.raises(ValueError, match="contains no training video"):
        load_video_dataset("csv", annotations=_csv(tmp_path, "video,label\n"))


def test_moving_shapes_are_written_once_and_then_loaded(tmp_path, monkeypatch):
    calls = []

    def write(root):
        calls.append(root)
        return write_moving_shapes(root, ("growing", "shrinking"), videos_per_class=8, num_frames=2, size=16)

    monkeypatch.setattr(video_datasets, "write_moving_shapes", write)
    first, second = (load_video_dataset("moving_shapes", tmp_path / "new") for _ in range(2))
    assert calls == [tmp_path / "new"]
    assert {split: len(records) for split, records in first.items()} == {"train": 10, "validation": 2, "test": 4}
    assert first["train"].to_dict() == second["train"].to_dict()
    assert all(sorted(records.unique("label")) == [0, 1] for records in first.values())
    (tmp_path / "new" / LIST_NAME).unlink()
    load_video_dataset("moving_shapes", tmp_path / "new")
    assert len(calls) == 2


def test_a_videofolder_is_completed_with_the_missing_splits(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    _touch(tmp_path / "videos", *(f"train/{label}/{number}.mp4" for label in ("a", "b") for number in range(10)))
    videos = load_video_dataset("videofolder", tmp_path / "videos", validation_fraction=0.25)
    assert {split: len(records) for split, records in videos.items()} == {"train": 12, "validation": 4, "test": 4}
    assert not videos["test"].features["video"].decode


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ucf11"}, r"`name` is 'ucf11'; allowed are ucf101, hmdb51, folder, csv, moving_shapes, "),
        ({"name": "folder"}, r"`root` is missing; .* of data set 'folder'"),
        ({"name": "folder", "root": "nowhere"}, r"`root` nowhere is not a folder"),
        ({"name": "folder", "root": ".", "annotations": "x"}, r"`annotations` is x, .*'folder' has no lists; remove"),
        ({"name": "csv"}, r"`annotations` is missing; give the CSV file"),
        ({"name": "csv", "annotations": "x.csv", "split": 2}, r"`split` is 2, but data set 'csv' has only split 1"),
        ({"name": "ucf101", "root": ".", "validation_fraction": 1.0}, r"`validation_fraction` is 1\.0; .* below 1"),
        ({"name": "someone/something", "root": "."}, r"`root` is \., but data set 'someone/something' is found by"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_video_dataset(**arguments)


def test_a_root_without_lists_says_which_were_looked_for(tmp_path):
    with pytest.raises(ValueError, match=r"no classInd\.txt in .*; set `annotations`"):
        load_video_dataset("ucf101", tmp_path)
    with pytest.raises(ValueError, match=r"no \*_test_split\[0-9\]\.txt in .*; set `annotations`"):
        load_video_dataset("hmdb51", tmp_path)


@pytest.mark.skipif("HF_SELFDISTILL_REAL_DATA" not in os.environ, reason="HF_SELFDISTILL_REAL_DATA names no real data")
@pytest.mark.parametrize(
    ("folder", "split", "train", "test"),
    [
        ("gestures", 1, 411, 200),
        ("gestures", 2, 414, 197),
        ("gestures", 3, 397, 214),
        ("fight", 1, 200, 100),
        ("fight", 2, 199, 101),
        ("fight", 3, 201, 99),
    ],
)
def test_real_clips_are_all_found_and_validation_keeps_groups_whole(folder, split, train, test):
    videos = load_video_dataset("ucf101", Path(os.environ["HF_SELFDISTILL_REAL_DATA"]) / folder, split=split)
    assert len(videos["train"]) + len(videos["validation"]) == train
    assert len(videos["test"]) == test
    assert 0.05 < len(videos["validation"]) / train < 0.15
    assert set(videos["validation"]["label"]) == set(videos["train"]["label"])
    groups = [set(records["group"]) for records in videos.values()]
    assert len(set.union(*groups)) == sum(map(len, groups))
