import torch
from videos import frame_numbers, numbered_frames, write_video

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.prepared import PreparedReader, Trailer, open_video, write_prepared


def prepared(folder, fps=29.97):
    source = write_video(folder / "source.mp4", numbered_frames(20, 34, 50), fps=fps)
    with VideoReader(source) as reader:
        frames, rate = reader.read(range(20)), reader.fps
        write_prepared(folder / "v.avi", frames.split(8), (34, 50), rate, source.stat())
    return folder / "v.avi", frames, rate


def test_a_prepared_video_has_the_frames_and_the_rate_that_were_written(tmp_path):
    file, frames, rate = prepared(tmp_path)
    with open_video(str(file)) as reader:
        assert isinstance(reader, PreparedReader)
        assert (reader.num_frames, reader.fps) == (20, rate)
        assert torch.equal(reader.read(range(20)), frames)
        assert frame_numbers(reader.read([19, 3, 3, 21])) == [19, 3, 3, 1]
        assert torch.equal(reader.read([4, 5], lambda part: part * 2), frames[4:6] * 2)


def test_it_is_also_an_ordinary_video(tmp_path):
    file, frames, rate = prepared(tmp_path)
    with VideoReader(file) as reader:
        assert torch.equal(reader.read(range(20)), frames)
        assert abs(reader.fps - rate) < 1e-3


def test_frames_lie_in_memory_as_those_of_other_videos(tmp_path):
    file, frames, _ = prepared(tmp_path)
    with open_video(file) as reader:
        assert reader.read([0, 1]).stride() == frames[:2].stride()


def test_other_files_are_no_prepared_videos(tmp_path):
    file, _, _ = prepared(tmp_path)
    (tmp_path / "empty").touch()
    (tmp_path / "cut").write_bytes(file.read_bytes()[:-10])
    for other in ("source.mp4", "empty", "cut", "missing"):
        assert Trailer.of(tmp_path / other) is None
    with open_video(tmp_path / "source.mp4") as reader:
        assert type(reader) is VideoReader


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def groups():
        yield torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
        raise KeyboardInterrupt

    try:
        write_prepared(tmp_path / "v.mp4", groups(), (16, 16), 25.0, tmp_path.stat())
    except KeyboardInterrupt:
        pass
    assert not list(tmp_path.iterdir())
