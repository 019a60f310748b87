import csv
from collections import Counter

import av
import numpy as np
import pytest

import hf_selfdistill.data.moving_shapes as moving_shapes
from hf_selfdistill.data.moving_shapes import FINETUNING_MOTIONS, LIST_NAME, MOTIONS, write_moving_shapes
from hf_selfdistill.data.shape_rendering import ShapeLook, render_moving_shape


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("moving shapes")
    return write_moving_shapes(root, videos_per_class=4, num_frames=12, size=32)


def _rows(list_file):
    with list_file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _decode(file):
    with av.open(str(file)) as container:
        codec = container.streams.video[0].codec_context.name
        return codec, np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_the_list_names_every_video_and_each_group_has_all_classes(written):
    rows = _rows(written)
    assert written.name == LIST_NAME
    assert {row["video"] for row in rows} == {
        file.relative_to(written.parent).as_posix() for file in written.parent.glob("*/*")
    }
    assert Counter((row["group"], row["label"]) for row in rows) == {
        (group, motion): 1 for group in ("g01", "g02", "g03", "g04") for motion in MOTIONS
    }
    assert {row["group"] for row in rows if row["split"] == "test"} == {"g04"}


def test_files_are_h264_and_mpeg4_of_the_length_and_size_asked_for(written):
    decoded = {row["video"]: _decode(written.parent / row["video"]) for row in _rows(written)}
    assert {frames.shape for _, frames in decoded.values()} == {(12, 32, 32, 3)}
    assert {(video[-3:], codec) for video, (codec, _) in decoded.items()} == {("mp4", "h264"), ("avi", "mpeg4")}


def test_files_show_what_was_rendered(monkeypatch, tmp_path):
    rendered = []

    def render(*arguments):
        rendered.append(render_moving_shape(*arguments))
        return rendered[-1]

    monkeypatch.setattr(moving_shapes, "render_moving_shape", render)
    rows = _rows(write_moving_shapes(tmp_path, videos_per_class=2, num_frames=8))
    for row, frames in zip(rows, rendered, strict=True):
        assert np.abs(_decode(tmp_path / row["video"])[1].astype(int) - frames).mean() < 6


def test_videos_of_a_group_share_their_look_and_groups_do_not(monkeypatch, tmp_path):
    looks = {}

    def render(motion, look, num_frames, rng):
        looks.setdefault(motion, []).append(look)
        return np.zeros((num_frames, 32, 32, 3), dtype=np.uint8)

    monkeypatch.setattr(moving_shapes, "render_moving_shape", render)
    write_moving_shapes(tmp_path, FINETUNING_MOTIONS, videos_per_class=2, num_frames=1, size=32)
    first, second = looks["growing"]
    assert looks["shrinking"][0] is first
    for part in ShapeLook.__dataclass_fields__:
        assert (getattr(first, part) - getattr(second, part)).abs().max() > 0.01


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    def content(name, seed, motions=("growing", "shrinking")):
        write_moving_shapes(tmp_path / name, motions, videos_per_class=2, num_frames=6, size=32, seed=seed)
        return {file.name: file.read_bytes() for file in (tmp_path / name).rglob("*.*")}

    first = content("first", 3)
    assert content("second", 3) == first
    assert content("third", 4) != first
    assert content("subset", 3, ("shrinking",)).items() - first.items() == {
        (LIST_NAME, (tmp_path / "subset" / LIST_NAME).read_bytes())
    }


def test_frames_of_any_size_give_the_same_bytes_again(tmp_path):
    for name in ("first", "second", "third"):
        write_moving_shapes(tmp_path / name, ("moving_up", "growing"), videos_per_class=12, num_frames=16, size=48)
    for file in tmp_path.glob("first/*/*"):
        for name in ("second", "third"):
            assert (tmp_path / name / file.parent.name / file.name).read_bytes() == file.read_bytes(), file.name


def test_an_interrupted_writing_leaves_no_list(monkeypatch, tmp_path):
    arguments = {"motions": ("growing",), "videos_per_class": 2, "num_frames": 2, "size": 16}
    write_moving_shapes(tmp_path, **arguments)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(moving_shapes, "render_moving_shape", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_moving_shapes(tmp_path, **arguments)
    assert not (tmp_path / LIST_NAME).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"motions": ("hopping",)}, r"`motions` is \('hopping',\); allowed are one or more of moving_left"),
        ({"motions": ()}, r"`motions` is \(\)"),
        ({"videos_per_class": 1}, r"`videos_per_class` is 1; it must be at least 2"),
        ({"num_frames": 0}, r"`num_frames` is 0"),
        ({"size": 33}, r"`size` is 33.*even"),
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        write_moving_shapes(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()
