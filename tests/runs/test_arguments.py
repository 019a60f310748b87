from __future__ import annotations

import pytest
from shards import write_shards

from hf_selfdistill.data.moving_shapes import write_moving_shapes
from hf_selfdistill.data.video_files import named_videos, say_once
from hf_selfdistill.runs.arguments import (
    DatasetArguments,
    ReferenceArguments,
    SubsetArguments,
    UnlabelledArguments,
    check_parts,
)
from hf_selfdistill.runs.configs import EvaluateConfig, FinetuneConfig, PredictConfig, PretrainConfig


def load(**arguments):
    most = arguments.pop("most", 0.05)
    parts = UnlabelledArguments(**arguments).load(most)
    return parts["train"], parts.get("validation", [])


def names(records):
    return [video["path"].rpartition("/")[2] for video in records["video"]]


@pytest.fixture
def videos(tmp_path):
    for name in ("b.mp4", "deep/er/a.avi", "take 2.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text("take 2.mp4 1\nb.mp4\n")
    return tmp_path


def test_by_default_all_videos_of_the_folder_are_for_training(videos):
    train, validation = load(dataset_root=str(videos))
    assert names(train) == ["b.mp4", "a.avi", "take 2.mp4"] and len(validation) == 0


def test_a_list_names_those_to_take(videos):
    train, validation = load(dataset="list", annotations=str(videos / "list.txt"))
    assert names(train) == ["take 2.mp4", "b.mp4"] and len(validation) == 0
    elsewhere = videos.parent / "elsewhere.txt"
    elsewhere.write_text("b.mp4\n")
    train, _ = load(dataset="list", dataset_root=str(videos), annotations=str(elsewhere))
    assert names(train) == ["b.mp4"]


def test_too_many_missing_videos_of_a_list_are_refused_as_unreadable_ones_are(videos):
    (videos / "list.txt").write_text("b.mp4\ngone.mp4\n")
    arguments = {"dataset": "list", "annotations": str(videos / "list.txt")}
    with pytest.raises(ValueError, match=r"1 of the 2 videos .* are missing"):
        load(**arguments)
    train, _ = load(**arguments, most=0.5)
    assert len(train) == 2


def test_shards_are_a_stream(tmp_path):
    write_shards(tmp_path, shards=2, videos_per_shard=2)
    train, _ = load(dataset="shards", dataset_root=str(tmp_path))
    assert len(list(train)) == 4


def test_of_a_data_set_with_groups_the_training_part_is_taken_and_whole_groups_may_be_kept_to_measure_on(shapes):
    train, none = load(dataset="moving_shapes", dataset_root=str(shapes))
    assert len(train) == 18 and len(none) == 0  # of 24, 6 test videos
    part, kept = load(dataset="moving_shapes", dataset_root=str(shapes), validation_fraction=0.2)
    groups = [{name.split("_g")[1][:2] for name in names(clips)} for clips in (part, kept)]
    assert len(part) + len(kept) == 18 and len(kept) > 0 and not groups[0] & groups[1]
    assert sorted(names(part) + names(kept)) == sorted(names(train))


def test_ucf101s_training_part_is_that_of_the_split(tmp_path):
    for number in range(1, 5):
        video = tmp_path / "Run" / f"v_Run_g0{number}_c01.avi"
        video.parent.mkdir(exist_ok=True)
        video.touch()
    (tmp_path / "classInd.txt").write_text("1 Run\n")
    for split, test in ((1, 1), (2, 2)):
        lines = {number: f"Run/v_Run_g0{number}_c01.avi" for number in range(1, 5)}
        (tmp_path / f"testlist0{split}.txt").write_text(lines.pop(test) + "\n")
        (tmp_path / f"trainlist0{split}.txt").write_text("".join(f"{line} 1\n" for line in lines.values()))
    train, _ = load(dataset="ucf101", dataset_root=str(tmp_path), split=2)
    assert names(train) == [f"v_Run_g0{number}_c01.avi" for number in (1, 3, 4)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "`dataset` is videos, which needs `dataset_root`"),
        ({"dataset": "list"}, "`dataset` is list, which needs `annotations`, the text file of paths"),
        ({"dataset": "shards"}, "`dataset` is shards, which needs `dataset_root`"),
        ({"dataset_root": "x", "annotations": "y"}, "`annotations` is y, but `dataset` videos takes all videos"),
        ({"dataset_root": "x", "split": 2}, "`split` 2, but `dataset` videos has neither groups nor splits"),
        (
            {"dataset": "list", "annotations": "y", "validation_fraction": 0.1},
            "`validation_fraction` is 0.1 .* `dataset` list has neither",
        ),
    ],
)
def test_flags_that_do_not_go_together_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        UnlabelledArguments(**wrong)


def test_videos_of_an_unknown_data_set_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="`name` is 'kinetics'; allowed are ucf101"):
        load(dataset="kinetics", dataset_root="x")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"dataset_root": "a/videos"}, "Every video below `videos`"),
        ({"dataset": "list", "annotations": "a/list.txt"}, "The videos named by `list.txt`"),
        ({"dataset": "shards", "dataset_root": "a/shards"}, "The shards in `shards`"),
        ({"dataset": "ucf101", "split": 2}, "The training part of `ucf101`, split 2"),
        ({"dataset": "folder"}, "The training part of `folder`"),
    ],
)
def test_videos_are_described_for_the_card(given, text):
    assert UnlabelledArguments(**given).describe() == text


def test_videos_of_one_class_are_refused(tmp_path):
    write_moving_shapes(tmp_path, ("moving_left",), videos_per_class=8, num_frames=4, size=16)
    with pytest.raises(ValueError, match="all videos of `dataset` moving_shapes are of one class, moving_left; give"):
        DatasetArguments(dataset="moving_shapes", dataset_root=str(tmp_path)).load()


def test_training_videos_are_drawn_with_the_seed(shapes):
    train = DatasetArguments(dataset="moving_shapes", dataset_root=str(shapes)).load()["train"]
    assert SubsetArguments().select(train, 0) is train
    few = [names(SubsetArguments(max_train_samples=4).select(train, seed)) for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2] and len(few[0]) == 4
    half = SubsetArguments(label_fraction=0.4).select(train, 0)
    assert [half["label"].count(label) for label in range(3)] == [2, 2, 2]


@pytest.mark.parametrize("wrong", [{"max_train_samples": 0}, {"label_fraction": 0.0}, {"label_fraction": 1.5}])
def test_a_share_that_leaves_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` is"):
        SubsetArguments(**wrong)


def test_a_reference_set_is_a_data_set_of_its_own():
    assert ReferenceArguments().reference() is None
    known = ReferenceArguments(reference_dataset="ucf101", reference_root="a", reference_split=2).reference()
    assert known == DatasetArguments(dataset="ucf101", dataset_root="a", split=2)


def test_features_are_not_measured_on_their_gallery():
    check_parts("classification", "train")
    with pytest.raises(ValueError, match="`part` is train, but `task` knn uses it as the gallery"):
        check_parts("knn", "train")


# videos of a folder, six of each kind; with "-" those that are left out, and what is said about them
LAYOUTS = {
    "plain": (["a/{}.mp4", "b/{}.avi"], ""),
    "subfolders": (["a/{}.mp4", "a/x/{}.mp4", "a/x/y/{}.mp4", "b/{}/1.avi"], ""),
    "other types": (["a/{}.gif", "a/{}.VOB", "b/{}.mxf", "b/{}.divx", "b/{}.asf", "b/{}.f4v"], ""),
    "twins of macOS": (["a/{}.mp4", "b/{}.mp4", "-a/._{}.mp4", "-__MACOSX/a/._{}.mp4"], "7 hidden or of the system"),
    "folders of systems": (
        ["a/{}.mp4", "b/{}.mp4", "-a/@eaDir/{}.mp4", "-lost+found/{}.mp4"],
        "2 hidden or of the sys",
    ),
    "hidden folders": (["a/{}.mp4", "b/{}.mp4", "-.cache/{}.mp4", "-a/.old/{}.mp4"], "2 hidden or of the system"),
    "texts": (["a/{}.mp4", "b/{}.mp4", "-a/{}.txt", "-readme{}.md"], "6 of type .md"),
    "parts": (["train/a/{}.mp4", "train/b/{}.mp4", "val/a/{}.mp4", "test/b/x/{}.mp4"], ""),
    "other names": (["Train/a/{}.mp4", "Train/b/{}.mp4", "valid/a/{}.mp4", "testing/a/{}.mp4"], ""),
    "more other names": (["training/a/{}.mp4", "training/b/{}.mp4", "dev/a/{}.mp4", "Test/a/{}.mp4"], ""),
    "a folder called like a video": (["a/{}.mp4", "b/c.mp4/{}.mp4"], ""),
    "links": (["a/{}.mp4", "b/{}.mp4", "link/{}.mp4"], "1 links to a folder that is listed already"),
}


@pytest.mark.parametrize(("patterns", "left_out"), LAYOUTS.values(), ids=LAYOUTS)
def test_all_commands_find_the_same_videos_and_say_what_they_found(tmp_path, patterns, left_out, caplog):
    root, videos = tmp_path / "videos", set()
    for name in (pattern.format(number) for pattern in patterns for number in range(6)):
        file = root / name.removeprefix("-")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        videos |= {str(file)} if name[0] != "-" else set()
    if (root / "link").is_dir():
        (root / "link").rename(tmp_path / "elsewhere")
        (root / "link").symlink_to(tmp_path / "elsewhere")
        (root / "a/up").symlink_to(root)
    labelled = {"dataset": "folder", "dataset_root": str(root)}
    commands = {
        "finetune": lambda: FinetuneConfig(
            str(tmp_path), model_name_or_path="c3d", distill_weight=0, use_cpu=True, **labelled
        ).load(),
        "evaluate": lambda: EvaluateConfig(model_name_or_path="model", use_cpu=True, **labelled).load(),
        "pretrain": lambda: PretrainConfig(
            str(tmp_path), model_type="c3d", use_cpu=True, dataset_root=str(root)
        ).load(),
        "predict": lambda: {"all": named_videos(PredictConfig(model_name_or_path="m", videos=[str(root)]).videos)},
    }
    for command, find in commands.items():
        say_once.cache_clear()
        caplog.clear()
        with caplog.at_level("INFO"):
            found = [video["path"] for part in find().values() for video in part["video"]]
        assert set(found) == videos and len(found) == len(videos), command
        assert caplog.messages[0].startswith(f"{len(videos)} videos in {root}" + ("; left out: " if left_out else ""))
        assert left_out in caplog.messages[0]
