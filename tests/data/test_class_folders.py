import re

import pytest

from hf_selfdistill.data.annotations import VideoEntry
from hf_selfdistill.data.class_folders import scan_class_folders
from hf_selfdistill.data.video_files import find_videos


def _touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_each_video_of_a_class_folder_is_a_group_of_its_own(tmp_path):
    _touch(tmp_path, "b/1.MP4", "a/ü.avi", "a/notes.txt", ".cache/x.mp4", "readme.md")
    classes, entries = scan_class_folders(tmp_path)
    assert classes == ["a", "b"]
    assert entries == [
        VideoEntry("a/ü.avi", "a", "a/ü.avi", None),
        VideoEntry("b/1.MP4", "b", "b/1.MP4", None),
    ]


def test_split_folders_are_taken_as_splits(tmp_path):
    _touch(tmp_path, "train/a/1.mp4", "val/a/1.mp4", "test/a/1.mp4")
    _, entries = scan_class_folders(tmp_path)
    assert {entry.path: entry.split for entry in entries} == {
        "train/a/1.mp4": "train",
        "val/a/1.mp4": "validation",
        "test/a/1.mp4": "test",
    }
    assert len({entry.group for entry in entries}) == 3


def test_a_class_may_be_called_train(tmp_path):
    _touch(tmp_path, "train/1.mp4", "bus/1.mp4")
    classes, entries = scan_class_folders(tmp_path)
    assert classes == ["bus", "train"]
    assert {entry.split for entry in entries} == {None}


def test_names_like_ucf101s_keep_their_groups(tmp_path):
    _touch(tmp_path, "Zumba/v_Zumba_g03_c01.avi", "Zumba/v_Zumba_g03_c02.avi")
    assert [entry.group for entry in scan_class_folders(tmp_path)[1]] == ["g03", "g03"]


def test_an_empty_class_folder_and_a_folder_without_classes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no class folders; videos directly in this folder: 0"):
        scan_class_folders(tmp_path)
    _touch(tmp_path, "a/1.mp4", "empty/notes.txt")
    with pytest.raises(ValueError, match=r"empty holds no video .*\.mp4"):
        scan_class_folders(tmp_path)


def test_videos_without_class_folders_are_counted_and_the_layout_is_shown(tmp_path):
    _touch(tmp_path, "1.mp4", "2.MP4", "notes.txt")
    layouts = (
        f"arrange the videos as {tmp_path}/CLASS/video.mp4, or as {tmp_path}/train/CLASS/video.mp4 and {tmp_path}"
    )
    with pytest.raises(
        ValueError, match=rf"holds no class folders; videos directly in this folder: 2; {re.escape(layouts)}"
    ):
        scan_class_folders(tmp_path)
    _touch(tmp_path, "train/a/1.mp4", "test/1.mp4")
    with pytest.raises(ValueError, match=r"/test holds no class folders; videos directly in this folder: 1"):
        scan_class_folders(tmp_path)


def test_class_folders_that_are_links_are_followed_and_a_link_to_a_folder_above_ends(tmp_path):
    _touch(tmp_path, "store/1.mp4", "root/b/2.mp4")
    (tmp_path / "root/a").symlink_to(tmp_path / "store")
    (tmp_path / "root/b/up").symlink_to(tmp_path / "root")
    assert [entry.path for entry in scan_class_folders(tmp_path / "root")[1]] == ["a/1.mp4", "b/2.mp4"]
    assert len(find_videos(tmp_path / "root")) == 2


def test_what_was_found_and_left_out_is_said_with_numbers(tmp_path, caplog):
    _touch(tmp_path, "train/a/1.mp4", "train/a/2.txt", "extra/a/1.mp4", "train/a/._1.mp4")
    with caplog.at_level("INFO"):
        scan_class_folders(tmp_path)
    assert f"2 videos in {tmp_path}; left out: " in caplog.text
    assert "1 of type .txt" in caplog.text and "1 hidden or of the system" in caplog.text
    assert f"1 of them left out, as these folders in {tmp_path} are no class folders: extra/a (1)" in caplog.text
