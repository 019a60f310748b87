from __future__ import annotations

from pathlib import Path

import pytest
from shards import write_shards

from hf_selfdistill.data.video_files import find_videos, listed_videos, stream_shards


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(records, root: Path) -> list[str]:
    return [Path(video["path"]).relative_to(root).as_posix() for video in records["video"]]


def test_every_video_below_a_folder_is_found_in_order(tmp_path):
    touch(tmp_path, "b.mp4", "a/deep/er/x.AVI", "a/notes.txt", "a/c d.mkv", "thumbs.jpg")
    assert names(find_videos(tmp_path), tmp_path) == ["a/c d.mkv", "a/deep/er/x.AVI", "b.mp4"]


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no video"):
        find_videos(tmp_path)
    with pytest.raises(ValueError, match="is not a folder"):
        find_videos(tmp_path / "nowhere")


def test_a_list_names_paths_with_or_without_a_class_number(tmp_path):
    touch(tmp_path, "A/v_A_g01_c01.avi", "b c 2.mp4", "plain.mp4")
    (tmp_path / "list.txt").write_text("A/v_A_g01_c01.avi 1\n\nplain.mp4\nb c 2.mp4\n", encoding="utf-8")
    found = listed_videos(tmp_path / "list.txt")
    assert names(found, tmp_path) == ["A/v_A_g01_c01.avi", "plain.mp4", "b c 2.mp4"]


def test_paths_start_from_the_root_where_one_is_given_and_may_be_absolute(tmp_path):
    touch(tmp_path, "videos/a.mp4", "else/b.mp4")
    (tmp_path / "list.txt").write_text(f"a.mp4\n{tmp_path}/else/b.mp4\n")
    assert names(listed_videos(tmp_path / "list.txt", tmp_path / "videos"), tmp_path) == ["videos/a.mp4", "else/b.mp4"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"missing.mp4\n", "none of the 1 videos"), (b"", "none of the 0 videos"), (b"\xff\xfe\xff", "can't be read")],
)
def test_a_list_of_nothing_is_refused(tmp_path, content, message):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        listed_videos(tmp_path / "list.txt")


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(ValueError, match="can't be read"):
        listed_videos(tmp_path / "nowhere.txt")


def test_the_videos_of_shards_are_streamed_undecoded(tmp_path):
    write_shards(tmp_path, shards=2, videos_per_shard=3)
    (tmp_path / "video.mp4").unlink()
    records = list(stream_shards(tmp_path))
    assert len(records) == 6 and all(set(record) == {"video"} and record["video"]["bytes"] for record in records)


def test_a_folder_without_shards_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no \*.tar"):
        stream_shards(tmp_path)
