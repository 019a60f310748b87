from __future__ import annotations

import pytest
from shards import write_shards

from hf_selfdistill.commands.unlabelled import UnlabelledArguments
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips, VideoViews


class NoViews(VideoViews):
    span = 8

    def __call__(self, reader, video):
        raise AssertionError("nothing is to be read")


def names(clips):
    return [video["path"].rpartition("/")[2] for video in clips.records["video"]]


@pytest.fixture
def videos(tmp_path):
    for name in ("b.mp4", "deep/er/a.avi", "take 2.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text("take 2.mp4 1\nb.mp4\n")
    return tmp_path


def test_by_default_all_videos_of_the_folder_are_for_training(videos):
    train, validation = UnlabelledArguments(dataset_root=str(videos)).load(NoViews(), seed=3)
    assert names(train) == ["b.mp4", "a.avi", "take 2.mp4"] and len(validation) == 0
    assert train.seed == 3


def test_a_list_names_those_to_take(videos):
    train, validation = UnlabelledArguments("list", annotations=str(videos / "list.txt")).load(NoViews(), 0)
    assert names(train) == ["take 2.mp4", "b.mp4"] and len(validation) == 0
    elsewhere = videos.parent / "elsewhere.txt"
    elsewhere.write_text("b.mp4\n")
    train, _ = UnlabelledArguments("list", str(videos), str(elsewhere)).load(NoViews(), 0)
    assert names(train) == ["b.mp4"]


def test_too_many_missing_videos_of_a_list_are_refused_as_unreadable_ones_are(videos):
    (videos / "list.txt").write_text("b.mp4\ngone.mp4\n")
    arguments = {"dataset": "list", "annotations": str(videos / "list.txt")}
    with pytest.raises(ValueError, match=r"1 of the 2 videos .* are missing"):
        UnlabelledArguments(**arguments).load(NoViews(), 0)
    train, _ = UnlabelledArguments(**arguments, max_unreadable=0.5).load(NoViews(), 0)
    assert len(train) == 2


def test_shards_are_streamed_in_epochs_of_the_length_asked_for(tmp_path):
    write_shards(tmp_path, shards=2, videos_per_shard=2)
    train, validation = UnlabelledArguments("shards", str(tmp_path), clips_per_epoch=3, max_unreadable=0.2).load(
        NoViews(), seed=4
    )
    assert isinstance(train, StreamedUnlabelledClips) and len(train) == 3 and len(validation) == 0
    assert (train.seed, train.max_unreadable) == (4, 0.2)


def test_of_a_data_set_with_groups_the_training_part_is_taken_and_whole_groups_may_be_kept_to_measure_on(shapes):
    train, none = UnlabelledArguments("moving_shapes", str(shapes)).load(NoViews(), 0)
    assert len(train) == 18 and len(none) == 0  # of 24, 6 test videos
    part, kept = UnlabelledArguments("moving_shapes", str(shapes), validation_fraction=0.2).load(NoViews(), 0)
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
    train, _ = UnlabelledArguments("ucf101", str(tmp_path), split=2).load(NoViews(), 0)
    assert names(train) == [f"v_Run_g0{number}_c01.avi" for number in (1, 3, 4)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "--dataset videos needs --dataset_root"),
        ({"dataset": "list"}, "--dataset list needs --annotations, the text file of paths"),
        ({"dataset": "shards", "dataset_root": "x"}, "--clips_per_epoch None; shards need it"),
        ({"dataset_root": "x", "clips_per_epoch": 4}, "--clips_per_epoch 4; .* nothing else takes it"),
        ({"dataset": "shards", "clips_per_epoch": 4}, "--dataset shards needs --dataset_root"),
        ({"dataset_root": "x", "annotations": "y"}, "--annotations is y, but --dataset videos takes all videos"),
        ({"dataset_root": "x", "split": 2}, "--split 2 are of data sets with groups and splits"),
        (
            {"dataset": "list", "annotations": "y", "validation_fraction": 0.1},
            "--validation_fraction 0.1 .* which --dataset list has not",
        ),
    ],
)
def test_flags_that_do_not_go_together_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        UnlabelledArguments(**wrong)


def test_videos_of_an_unknown_data_set_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown data set 'kinetics'; allowed: ucf101"):
        UnlabelledArguments("kinetics", "x").load(NoViews(), 0)
