import datasets
import pytest
import torch
from shards import read_shards, write_shards
from torch.utils.data import DataLoader
from videos import frame_numbers, numbered_frames, write_video

from hf_selfdistill import C3DVideoProcessor
from hf_selfdistill.data import clips as clips_module
from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.data.sampling import random_clip
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips, UnlabelledClips, VideoViews


class NoisyWindow(VideoViews):
    """One random window, with noise and the video's name."""

    span = 8

    def __init__(self, **rate):
        self.processor = C3DVideoProcessor()
        for name, value in rate.items():
            setattr(self.processor, name, value)

    def __call__(self, reader, video):
        stride = ClipProcessor.stride_of(self.processor, reader.fps)
        frames = reader.read(random_clip(reader.num_frames, self.span, stride))
        return {"frames": frames, "noise": torch.randn(3), "video": video}


@pytest.fixture
def folder(tmp_path):
    """Six videos of 20 to 25 frames; the third is a text file, the fifth has only 5 frames."""
    for i in range(6):
        write_video(tmp_path / f"v{i}.mp4", numbered_frames(5 if i == 4 else 20 + i))
    (tmp_path / "v2.mp4").write_text("not a video")
    return tmp_path


@pytest.fixture
def records(folder):
    return datasets.Dataset.from_dict(
        {"video": [str(folder / f"v{i}.mp4") for i in range(6)]},
        features=datasets.Features(video=datasets.Video(decode=False)),
    )


def epoch(clips, workers=0):
    return {
        (video.rpartition("/")[2], i): noise
        for i, (video, noise) in enumerate(
            pair
            for batch in DataLoader(clips, 2, num_workers=workers)
            for pair in zip(batch["video"], batch["noise"], strict=True)
        )
    }


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_sample_is_what_the_views_make_of_the_video_and_its_name(records, folder):
    sample = UnlabelledClips(records, NoisyWindow())[1]
    numbers = frame_numbers(sample["frames"])
    assert numbers == list(range(numbers[0], numbers[0] + 8))
    assert sample["video"] == str(folder / "v1.mp4") and sample.keys() == {"frames", "noise", "video"}


def test_the_file_is_opened_once_per_sample(records, monkeypatch):
    opened = []

    def open_and_count(video, **limits):
        opened.append(video)
        return VideoReader(video, **limits)

    monkeypatch.setattr(clips_module, "open_video", open_and_count)
    clips = UnlabelledClips(records, NoisyWindow())
    for index in (0, 1, 3, 4, 5):
        clips[index]
    assert opened == [records[i]["video"]["path"] for i in (0, 1, 3, 4, 5)]


def test_draws_depend_on_seed_epoch_and_index_alone(records):
    def drawn(number=0, workers=0, seed=0):
        clips = UnlabelledClips(records, NoisyWindow(), seed)
        clips.set_epoch(number)
        torch.manual_seed(workers)  # which must not matter
        return epoch(clips, workers)

    assert same(drawn(), drawn())
    assert same(drawn(1), drawn(1, workers=2))
    for other in (drawn(1), drawn(seed=1)):
        assert not any(torch.equal(noise, other[key]) for key, noise in drawn().items())
    backwards = UnlabelledClips(records, NoisyWindow())
    alone = [backwards[i]["noise"] for i in (5, 4, 3, 2, 1, 0)]
    assert all(torch.equal(*pair) for pair in zip(reversed(alone), drawn().values(), strict=True))


def test_reading_leaves_the_callers_random_state_as_it_was(records):
    clips = UnlabelledClips(records, NoisyWindow())
    torch.manual_seed(3)
    expected = torch.randn(2)
    torch.manual_seed(3)
    clips[0]
    assert torch.equal(torch.randn(2), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_videos_are_replaced_by_the_next_and_short_ones_counted_from_workers_too(records, folder, workers):
    clips = UnlabelledClips(records, NoisyWindow())
    assert clips.short_indices() == []
    names = [name for name, _ in epoch(clips, workers)]
    assert names == ["v0.mp4", "v1.mp4", "v3.mp4", "v3.mp4", "v4.mp4", "v5.mp4"]
    assert clips.unreadable_indices() == [2] and clips.short_indices() == [4]
    assert clips.why_unreadable(2).video == str(folder / "v2.mp4") and clips.why_unreadable(2).reason


def test_a_replacement_is_another_draw_than_its_own(records):
    clips = UnlabelledClips(records, NoisyWindow())
    assert not torch.equal(clips[2]["noise"], clips[3]["noise"])


def test_where_no_video_can_be_read_the_error_names_one(records):
    with pytest.raises(VideoDecodingError, match=r"v2\.mp4: "):
        UnlabelledClips(records.select([2]), NoisyWindow())[0]


@pytest.mark.parametrize(
    ("rate", "short"),
    [
        ({}, [4]),
        ({"frame_stride": 2}, [4]),
        ({"frame_stride": 3}, [0, 1, 4]),  # 22 frames from first to last
        ({"target_fps": 25 / 3}, [0, 1, 4]),
        ({"target_fps": 100.0}, []),  # every frame four times
    ],
    ids=["own frames", "every second", "every third", "a third of the rate", "four times the rate"],
)
def test_short_means_shorter_than_the_window_at_its_rate(records, rate, short):
    clips = UnlabelledClips(records, NoisyWindow(**rate))
    windows = {i: frame_numbers(clips[i]["frames"]) for i in (0, 1, 3, 4, 5)}
    assert [i for i, window in windows.items() if window != sorted(window)] == short
    assert clips.short_indices() == short


def test_videos_given_as_bytes_are_named_by_their_number(folder):
    table = datasets.Dataset.from_dict(
        {"video": [{"bytes": (folder / "v0.mp4").read_bytes(), "path": None}]},
        features=datasets.Features(video=datasets.Video(decode=False)),
    )
    assert UnlabelledClips(table, NoisyWindow())[0]["video"] == "video 0"


@pytest.fixture
def stream(tmp_path):
    """Eight videos in four shards."""

    def build(clips_per_epoch=8, broken=()):
        write_shards(tmp_path, shards=4, videos_per_shard=2, broken=broken)
        records = read_shards(tmp_path).select_columns(["video"])
        return StreamedUnlabelledClips(records, clips_per_epoch, NoisyWindow(), max_unreadable=0.2)

    return build


def by_name(samples):
    return {sample["video"]: sample["noise"] for sample in samples}


def test_a_stream_gives_the_views_of_its_videos_without_those_that_cannot_be_read(stream, caplog):
    names = [sample["video"] for sample in stream(14, broken=(5,))]
    assert set(names) == {f"00{i}.mp4" for i in range(8) if i != 5} and len(names) == 14
    assert caplog.text.count("Skipped") == 1 and "005.mp4" in caplog.text


def test_a_stream_resumed_within_an_epoch_goes_on_as_it_would_have(stream):
    whole, again = stream(), stream()
    for clips in (whole, again):
        clips.set_epoch(3)
    expected = list(whole)
    loader = iter(again)
    for _ in range(3):  # as the Trainer skips what was seen
        next(loader)
    for sample, other in zip(loader, expected[3:], strict=True):
        assert sample["video"] == other["video"]
        assert torch.equal(sample["frames"], other["frames"]) and torch.equal(sample["noise"], other["noise"])
    again.set_epoch(4)
    assert [sample["video"] for sample in again] != [sample["video"] for sample in expected]


def test_processes_read_different_parts_of_a_stream_with_the_draws_of_one_process(stream):
    one = by_name(stream())
    first, second = (by_name(stream().part(rank, 2)) for rank in range(2))
    assert len(first) == len(second) == 4 and len(one) == 8
    assert same(first | second, one)
