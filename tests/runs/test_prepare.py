import csv
import shutil
from types import SimpleNamespace

import pytest
import torch
from videos import frame_numbers, numbered_frames, write_video

from hf_selfdistill import load_video_dataset
from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.data.decoding import read_frames
from hf_selfdistill.data.origin import hash_of_videos
from hf_selfdistill.data.prepared import PreparedReader, Trailer, open_video
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.runs import prepare as module
from hf_selfdistill.runs.prepare import TABLE, PrepareConfig, prepare


@pytest.fixture
def videos(tmp_path):
    """Two classes in UCF101's layout, with lists; one video is rotated."""
    root = tmp_path / "videos"
    (root / "lists").mkdir(parents=True)
    for label in ("Run", "Jump"):
        (root / label).mkdir()
        for group in (1, 2, 3):
            rotation = 90 if (label, group) == ("Run", 1) else 0
            frames = numbered_frames(12 + group, 64, 96)
            write_video(
                root / label / f"v_{label}_g{group:02}_c01.avi", frames, "mpeg4" if not rotation else "libx264"
            )
            if rotation:
                file = write_video(root / "rotated.mp4", frames, rotation=rotation)
                shutil.move(file, root / label / f"v_{label}_g{group:02}_c01.avi")
    (root / "lists" / "classInd.txt").write_text("1 Jump\n2 Run\n")
    for part, groups in (("train", (1, 2)), ("test", (3,))):
        lines = [f"{label}/v_{label}_g{group:02}_c01.avi" for label in ("Run", "Jump") for group in groups]
        (root / "lists" / f"{part}list01.txt").write_text("\n".join(lines))
    return root


def config(videos, **arguments) -> PrepareConfig:
    arguments = {"output_dir": str(videos.parent / "prepared"), "num_workers": 0, "short_side": 32, **arguments}
    return PrepareConfig(str(videos), **arguments)


def test_the_copy_is_loaded_with_the_same_labels_groups_and_hashes(videos):
    prepare(config(videos))
    before, after = (load_video_dataset("ucf101", videos.parent / name) for name in ("videos", "prepared"))
    for part in before:
        assert before[part]["label"] == after[part]["label"] and before[part]["group"] == after[part]["group"]
        assert hash_of_videos(before[part]) == hash_of_videos(after[part])


def test_clips_have_the_frames_of_the_original(videos):
    prepare(config(videos))
    records = load_video_dataset("ucf101", videos.parent / "prepared")["train"]
    clips = TestingClips(records, ClipSampler(1, 8), lambda frames: frames)
    for index, record in enumerate(records):
        with clips.open(index) as reader:
            assert isinstance(reader, PreparedReader)
            original = record["video"]["path"].replace("prepared", "videos")
            whole = read_frames(original, range(reader.num_frames))
            ours = reader.read(range(reader.num_frames))
            assert sorted(ours.shape[-2:]) == [32, 48]
            assert (whole.shape[-1] > whole.shape[-2]) == (ours.shape[-1] > ours.shape[-2])
            if whole.shape[-1] > whole.shape[-2]:  # the numbers of a rotated frame are rotated
                assert frame_numbers(ours) == frame_numbers(whole)


def test_the_table_has_a_row_per_video(videos):
    (videos / "Run" / "broken.mp4").write_bytes(b"no video")
    prepare(config(videos, max_unreadable=0.5))
    rows = {row["video"]: row for row in csv.DictReader((videos.parent / "prepared" / TABLE).open())}
    assert len(rows) == 7
    assert rows["Run/broken.mp4"]["reason"] and not (videos.parent / "prepared" / "Run" / "broken.mp4").exists()
    rotated = rows["Run/v_Run_g01_c01.avi"]
    assert {name: rotated[name] for name in ("frames", "fps", "height", "width")} == {
        "frames": "13",
        "fps": "25.0",
        "height": "96",
        "width": "64",
    }
    assert abs(int(rotated["rotation"])) == 90 and rows["Jump/v_Jump_g01_c01.avi"]["rotation"] == "0"


def test_a_video_with_uneven_frames_is_copied_unchanged_and_counted(videos, caplog):
    times = [40 * number + 200 * (number >= 6) for number in range(12)]
    original = write_video(videos / "Run" / "uneven.mkv", numbered_frames(12, 64, 96), times=times)
    copy = videos.parent / "prepared" / "Run" / "uneven.mkv"
    with caplog.at_level("INFO", logger="hf_selfdistill"):
        prepare(config(videos))
    assert "1 videos have frames that are not evenly spaced; their copies are unchanged" in caplog.text
    assert copy.read_bytes() == original.read_bytes()
    with open_video(original, target_fps=8.0) as before, open_video(copy, target_fps=8.0) as after:
        assert before.by_time and torch.equal(before.read(range(8)), after.read(range(8)))
    files = sorted((videos.parent / "prepared").rglob("*.*v*"))
    written = [(file, file.stat().st_ino) for file in files if file.name != TABLE]
    prepare(config(videos))
    assert [(file, file.stat().st_ino) for file, _ in written] == written


def test_too_many_unreadable_videos_are_an_error_after_all_others_are_done(videos):
    (videos / "Run" / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"1 of 7 videos can't be decoded; see .*, or raise `max_unreadable`"):
        prepare(config(videos))
    assert len(list((videos.parent / "prepared").rglob("*.avi"))) == 6


def test_a_second_call_keeps_the_copies_of_unchanged_videos(videos):
    prepare(config(videos))
    files = sorted((videos.parent / "prepared").rglob("*.avi"))
    times = [file.stat().st_mtime_ns for file in files]
    write_video(videos / "Jump" / "v_Jump_g01_c01.avi", numbered_frames(30, 64, 96), "mpeg4")
    files[-1].write_bytes(files[-1].read_bytes()[:-5])
    prepare(config(videos))
    changed = [file for file, time in zip(files, times, strict=True) if file.stat().st_mtime_ns != time]
    assert changed == [files[0], files[-1]] and Trailer.of(files[0]).num_frames == 30
    assert Trailer.of(files[-1]) is not None


def test_checking_writes_nothing_but_the_table(videos):
    rows = prepare(config(videos, check_only=True))
    assert [row.frames for row in rows] == [13, 14, 15, 13, 14, 15]
    assert [file.name for file in (videos.parent / "prepared").iterdir()] == [TABLE]


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(videos, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(ValueError, match=r"need 0\.0 GB, but .* has 0\.0 GB free; lower `short_side`"):
        prepare(config(videos))
    assert not (videos.parent / "prepared").exists()


def test_a_video_of_fewer_frames_than_packets_ends_where_the_decoder_ends(videos, monkeypatch):
    class Reader:
        num_frames = 6

        def read(self, indices, transform):
            self.num_frames = 5
            return torch.tensor([index % 5 for index in indices])

    monkeypatch.setattr(module, "FRAMES_AT_ONCE", 4)
    assert [group.tolist() for group in module._groups(Reader(), None)] == [[0, 1, 2, 3], [4]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"short_side": 8}, "`short_side` is 8"),
        ({"num_workers": -1}, "`num_workers` is -1"),
        ({"max_unreadable": 2.0}, "`max_unreadable` is 2.0"),
    ],
)
def test_a_wrong_argument_is_named(videos, wrong, message):
    with pytest.raises(ValueError, match=message):
        config(videos, **wrong)


def test_the_copy_can_not_be_inside_the_original(videos):
    with pytest.raises(ValueError, match="contain one another"):
        config(videos, output_dir=str(videos / "prepared"))


def test_a_small_video_is_not_enlarged(videos):
    prepare(config(videos, short_side=500))
    with open_video(videos.parent / "prepared" / "Jump" / "v_Jump_g01_c01.avi") as reader:
        assert reader.read([0]).shape[-2:] == (64, 96)
