import datasets
import pytest

from hf_selfdistill.data.hub_dataset import load_hub_dataset


@pytest.fixture(autouse=True)
def no_network_and_a_cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def _touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_a_videofolder_is_loaded_undecoded_with_each_video_as_its_own_group(tmp_path):
    videos = tmp_path / "videos"
    _touch(videos, "train/a/1.mp4", "train/b/1.mp4", "test/a/1.mp4")
    loaded = load_hub_dataset("videofolder", videos)
    assert set(loaded) == {"train", "test"}
    assert set(loaded["train"].features) == {"video", "label", "group"}
    assert loaded["train"].features["label"].names == ["a", "b"]
    assert loaded["test"][0] == {
        "video": {"bytes": None, "path": str(videos / "test/a/1.mp4")},
        "label": 0,
        "group": "test/0",
    }


def test_labels_that_are_strings_become_classes_and_groups_are_kept(tmp_path):
    videos = tmp_path / "videos"
    _touch(videos, "train/1.mp4", "train/2.mp4", "test/3.mp4")
    (videos / "train/metadata.csv").write_text("file_name,label,group,note\n1.mp4,run,anna,x\n2.mp4,jump,ben,y\n")
    (videos / "test/metadata.csv").write_text("file_name,label,group,note\n3.mp4,run,cora,z\n")
    loaded = load_hub_dataset(str(videos))
    assert set(loaded["train"].features) == {"video", "label", "group"}
    assert loaded["train"].features["label"].names == loaded["test"].features["label"].names == ["jump", "run"]
    assert list(loaded["train"]["group"]) == ["anna", "ben"]
    assert list(loaded["test"]["label"]) == [1]


@pytest.mark.parametrize("column", ["label", "action", "class"])
def test_a_list_of_integer_labels_and_splits_is_loaded(tmp_path, column):
    videos = tmp_path / "videos"
    _touch(videos, "1.mp4", "2.mp4", "3.mp4")
    text = f"file_name,{column},split\n1.mp4,10,train\n2.mp4,9,Train\n3.mp4,10,valid\n"
    (videos / "metadata.csv").write_text(text)
    loaded = load_hub_dataset(str(videos))
    assert {split: list(records["label"]) for split, records in loaded.items()} == {"train": [1, 0], "validation": [1]}
    assert loaded["train"].features["label"].names == ["9", "10"]


def test_labels_that_are_hidden_are_refused_in_one_line(monkeypatch):
    _give(monkeypatch, train=_video_dataset([1, 0]), test=_video_dataset([None]))
    with pytest.raises(ValueError, match="1 of 1 videos of test have no label; label them or remove them"):
        load_hub_dataset("someone/something")
    plain = datasets.Features({"clip": datasets.Video(decode=False), "label": datasets.Value("string")})
    records = datasets.Dataset.from_dict({"clip": ["x.mp4", "y.mp4"], "label": ["a", None]}, features=plain)
    _give(monkeypatch, train=records)
    with pytest.raises(ValueError, match="1 of 2 videos of train have no label; label them"):
        load_hub_dataset("someone/something")


@pytest.mark.parametrize(("labels", "column"), [([0, 1, -1], "int64"), ([1.0, 0.0, None], "float64")])
def test_integers_that_hide_a_label_make_no_class(monkeypatch, labels, column):
    kinds = datasets.Features({"clip": datasets.Video(decode=False), "label": datasets.Value(column)})
    names = ["x.mp4", "y.mp4", "z.mp4"]
    _give(monkeypatch, train=datasets.Dataset.from_dict({"clip": names, "label": labels}, features=kinds))
    with pytest.raises(ValueError, match="1 of 3 videos of train have no label"):
        load_hub_dataset("someone/something")
    shown = datasets.Dataset.from_dict({"clip": names[:2], "label": labels[:2]}, features=kinds)
    _give(monkeypatch, train=shown)
    assert load_hub_dataset("someone/something")["train"].features["label"].names == ["0", "1"]


def test_blanks_decomposed_letters_and_truth_values_make_the_classes_that_a_reader_sees(monkeypatch):
    kinds = datasets.Features({"clip": datasets.Video(decode=False), "label": datasets.Value("string")})
    labels = ["día", " día", "di\u0301a ", "run"]
    names = [f"{number}.mp4" for number in range(4)]
    records = datasets.Dataset.from_dict({"clip": names, "label": labels}, features=kinds)
    _give(monkeypatch, train=records.add_column("group", ["anna", "anna ", None, None]))
    loaded = load_hub_dataset("someone/something")["train"]
    assert loaded.features["label"].names == ["día", "run"] and list(loaded["label"]) == [0, 0, 0, 1]
    assert list(loaded["group"]) == ["anna", "anna", "train/2", "train/3"]
    kinds["label"] = datasets.Value("bool")
    _give(monkeypatch, train=datasets.Dataset.from_dict({"clip": names[:2], "label": [True, False]}, features=kinds))
    assert load_hub_dataset("someone/something")["train"].features["label"].names == ["False", "True"]


def _give(monkeypatch, **splits):
    monkeypatch.setattr(datasets, "load_dataset", lambda name, data_dir: datasets.DatasetDict(splits))


def _video_dataset(labels, classes=("a", "b"), column="action"):
    features = datasets.Features({"clip": datasets.Video(decode=False), column: datasets.ClassLabel(names=classes)})
    return datasets.Dataset.from_dict({"clip": ["x.mp4"] * len(labels), column: labels}, features=features)


def test_columns_are_found_by_their_type(monkeypatch):
    _give(monkeypatch, train=_video_dataset([1, 0]))
    assert load_hub_dataset("someone/something")["train"][0]["label"] == 1


def test_a_data_set_without_a_label_column_is_refused_with_its_columns(monkeypatch):
    _give(monkeypatch, train=_video_dataset([1, 0]).remove_columns("action"))
    with pytest.raises(ValueError, match=r"one column of type ClassLabel; its columns are \{'clip': 'Video'\}"):
        load_hub_dataset("someone/something")


def test_a_test_split_without_labels_is_refused(monkeypatch):
    _give(monkeypatch, train=_video_dataset([1, 0]), test=_video_dataset([-1]))
    with pytest.raises(ValueError, match="1 of 1 videos of test have no label"):
        load_hub_dataset("someone/something")


def test_a_data_set_without_train_is_refused_with_its_splits(monkeypatch):
    _give(monkeypatch, everything=_video_dataset([1, 0]))
    with pytest.raises(ValueError, match=r"has the splits \['everything'\], but needs train"):
        load_hub_dataset("someone/something")


def test_a_data_set_that_can_not_be_reached_is_named():
    with pytest.raises(ValueError, match=r"data set 'nobody/nothing' can't be loaded: .*check its name"):
        load_hub_dataset("nobody/nothing")
