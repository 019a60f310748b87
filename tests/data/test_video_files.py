from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from videos import frame_numbers, numbered_frames, write_video

from hf_selfdistill.data.decoding import read_frames
from hf_selfdistill.data.video_files import find_videos, listed_videos, named_videos, stream_shards


def paths(records):
    assert records.column_names == ["video"]
    return [Path(video["path"]) for video in records["video"]]


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.fixture
def listed(tmp_path):
    def read(text, root=None, **settings):
        file = tmp_path / "list.txt"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return [path.relative_to(tmp_path).as_posix() for path in paths(listed_videos(file, root, **settings))]

    return read


def test_all_video_files_are_found_however_deep_in_alphabetical_order(tmp_path):
    touch(tmp_path, "b.MP4", "a/z.avi", "a/deeper/still/eine Möwe 飛.webm", "notes.txt", "a/poster.jpg", "list.csv")
    (tmp_path / "a folder.mp4").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in paths(find_videos(tmp_path))]
    assert found == ["a/deeper/still/eine Möwe 飛.webm", "a/z.avi", "b.MP4"]


def test_paths_are_absolute_so_that_workers_may_run_elsewhere(tmp_path, monkeypatch):
    touch(tmp_path, "videos/a.mp4")
    monkeypatch.chdir(tmp_path)
    assert paths(find_videos(Path("videos"))) == [tmp_path / "videos" / "a.mp4"]
    Path("list.txt").write_text("videos/a.mp4\n")
    assert paths(listed_videos(Path("list.txt"))) == [tmp_path / "videos" / "a.mp4"]


def test_files_and_folders_that_a_user_names_keep_their_names_and_count_once(tmp_path, monkeypatch):
    touch(tmp_path, "b/deep/2.mp4", "b/1.avi", "b/notes.txt", "odd.bin")
    monkeypatch.chdir(tmp_path)
    found = paths(named_videos(["odd.bin", "b", "b/1.avi", "missing.mp4"]))
    assert found == [Path("odd.bin"), Path("b/1.avi"), Path("b/deep/2.mp4"), Path("missing.mp4")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no video \(.*\) in empty or"):
        named_videos(["odd.bin", "empty"])
    with pytest.raises(ValueError, match="`names` is empty"):
        named_videos([])


def test_a_folder_that_is_missing_or_without_videos_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"`root` .*nowhere is not a folder"):
        find_videos(tmp_path / "nowhere")
    touch(tmp_path, "notes.txt")
    with pytest.raises(ValueError, match=rf"no video \(.*\.avi.*\) in {tmp_path} or its subfolders"):
        find_videos(tmp_path)


def test_a_list_names_files_relative_to_its_folder_or_to_the_root_and_absolute_ones(tmp_path, listed):
    touch(tmp_path, "a/1.mp4", "root/a/2.mp4")
    assert listed("a/1.mp4\n") == ["a/1.mp4"]
    assert listed(f"a/2.mp4\n{tmp_path}/a/1.mp4\n", tmp_path / "root") == ["root/a/2.mp4", "a/1.mp4"]


def test_lists_of_ucf101_carry_a_class_number_behind_each_path(tmp_path, listed):
    touch(tmp_path, "Archery/v_Archery_g08_c01.avi", "Archery/v_Archery_g08_c02.avi")
    text = "Archery/v_Archery_g08_c01.avi 3\r\n\r\n  Archery/v_Archery_g08_c02.avi\t12 \r\n"
    assert listed(text) == ["Archery/v_Archery_g08_c01.avi", "Archery/v_Archery_g08_c02.avi"]


def test_a_number_that_is_part_of_a_files_name_is_kept(tmp_path, listed):
    touch(tmp_path, "take 2", "take", "clip 3.mp4", "with spaces 4.mp4")
    assert listed("take 2\nclip 3.mp4\nwith spaces 4.mp4 7\n") == ["take 2", "clip 3.mp4", "with spaces 4.mp4"]


def test_a_list_saved_with_a_byte_order_mark_is_read(tmp_path, listed):
    touch(tmp_path, "Möwe.mp4")
    assert listed("\ufeffMöwe.mp4\n") == ["Möwe.mp4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"caf\xe9.mp4\n", "the list of videos .*list.txt can't be read: 'utf-8' codec"),
        ("\n \n", "the list of videos .*list.txt is empty; give one path per line"),
        ("a.mp4 1\nb.mp4 1\n", r"2 of the 2 videos of .*list.txt are missing, the first: .*a\.mp4; check"),
    ],
    ids=["not UTF-8", "empty", "all missing"],
)
def test_a_list_that_is_of_no_use_is_refused_by_name(listed, text, message):
    with pytest.raises(ValueError, match=message):
        listed(text)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"the list of videos .*none.txt can't be read: .*No such file"):
        listed_videos(tmp_path / "none.txt")


def test_a_few_missing_videos_are_said_and_stay_and_many_are_refused_before_anything_is_read(tmp_path, listed, caplog):
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    text = "a.mp4\nb.mp4\nc.mp4\ngone.mp4\n"
    assert listed(text, max_missing_fraction=0.25)[-1] == "gone.mp4"
    assert f"1 of the 4 videos of {tmp_path}/list.txt are missing, the first: {tmp_path}/gone" in caplog.text
    with pytest.raises(ValueError, match=r"1 of the 4 videos .* are missing, the first: .*gone\.mp4; check"):
        listed(text)


VIDEO = "a video"  # in the place of the bytes of one


def write_shard(file, **members):
    content = write_video(file.with_name("v.mp4"), numbered_frames(10, 16, 16)).read_bytes()
    with tarfile.open(file, "w") as tar:
        for name, data in members.items():
            member, data = tarfile.TarInfo(name), content if data is VIDEO else data
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("beside", [{}, {"cls": b"3"}, {"json": b'{"title": "x"}'}], ids=["nothing", "cls", "json"])
def test_the_videos_of_tar_shards_are_streamed_whatever_lies_beside_them(tmp_path, beside):
    for shard in range(2):
        names = [f"{shard}-{number}" for number in range(3)]
        samples = [(f"{name}.{kind}", data) for name in names for kind, data in {"mp4": VIDEO, **beside}.items()]
        write_shard(tmp_path / f"{shard}.tar", **dict(samples))
    records = stream_shards(tmp_path)
    assert records.n_shards == 2 and records.column_names == ["video"]
    videos = [record["video"] for record in records]
    assert [video["path"] for video in videos] == [f"{shard}-{number}.mp4" for shard in (0, 1) for number in range(3)]
    assert frame_numbers(read_frames(videos[-1]["bytes"], [9, 2])) == [9, 2]


@pytest.mark.parametrize(
    ("members", "named"),
    [({"a.json": b"{}"}, "json"), ({"a.mp4": VIDEO, "a.webm": VIDEO}, "mp4.*webm")],
    ids=["no video", "two kinds"],
)
def test_tar_files_without_one_kind_of_video_are_refused_with_what_they_hold(tmp_path, members, named):
    write_shard(tmp_path / "0.tar", **members)
    with pytest.raises(ValueError, match=f"the tar files in .* hold .*{named}.*, but need videos of one format"):
        stream_shards(tmp_path)


def test_damaged_files_beside_the_videos_of_a_shard_are_not_read(tmp_path):
    write_shard(tmp_path / "0.tar", **{"a.mp4": VIDEO, "a.json": b"{ no", "a.cls": b"x", "a.jpg": b"", "a.npy": b"no"})
    assert [record["video"]["path"] for record in stream_shards(tmp_path)] == ["a.mp4"]


@pytest.mark.parametrize("kept", [0, 100, 1000])
def test_a_shard_that_is_cut_off_is_named(tmp_path, kept):
    for name in ("0.tar", "1.tar"):
        write_shard(tmp_path / name, **{"a.mp4": VIDEO})
    for name in ("1.tar", "0.tar"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:kept])
        with pytest.raises(ValueError, match=rf"{tmp_path}/{name} is not a tar file, or it is cut off"):
            list(stream_shards(tmp_path))


def test_a_folder_without_tar_files_is_named(tmp_path):
    with pytest.raises(ValueError, match=rf"`root` {tmp_path} holds no \*\.tar"):
        stream_shards(tmp_path)


def test_a_name_that_is_not_utf8_is_listed_escaped_and_one_that_is_too_long_is_left_to_the_reader(tmp_path):
    open(os.fsencode(tmp_path) + b"/caf\xe9.mp4", "wb").close()
    assert [video["path"] for video in named_videos([str(tmp_path)])["video"]] == [f"{tmp_path}/caf\\xe9.mp4"]
    assert len(named_videos(["x" * 300 + ".mp4"])) == 1
