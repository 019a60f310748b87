from __future__ import annotations

import datasets
import pytest
import torch
from shards import read_shards, write_shards
from torch.utils.data import DataLoader, default_collate
from videos import frame_numbers, numbered_frames, write_video

from hf_selfdistill.data import clips as clips_module
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips, UnlabelledClips, VideoViews


class TwoFrames(VideoViews):
    span = 12

    def __call__(self, reader: VideoReader, video: str) -> dict[str, torch.Tensor]:
        indices = torch.randint(reader.num_frames, (2,)).tolist()
        return {"frames": reader.read(indices)}


@pytest.fixture
def records(tmp_path):
    files = [write_video(tmp_path / f"{n}.mp4", numbered_frames(10 + n, 32, 32)) for n in range(5)]
    features = datasets.Features(video=datasets.Video(decode=False))
    return datasets.Dataset.from_dict({"video": list(map(str, files))}, features=features)


def epoch(clips, workers=0):
    loader = DataLoader(clips, 2, num_workers=workers, collate_fn=default_collate)
    return [numbers for batch in loader for numbers in map(frame_numbers, batch["frames"])]


def test_a_sample_is_the_views_of_its_video_drawn_by_seed_epoch_and_index(records):
    clips = UnlabelledClips(records, TwoFrames())
    first = epoch(clips)
    assert len(first) == 5 and epoch(clips, workers=2) == first
    clips.set_epoch(1)
    assert epoch(clips) != first
    assert epoch(UnlabelledClips(records, TwoFrames(), seed=1)) != first


def test_a_video_is_opened_once_per_sample(records, monkeypatch):
    opened = []

    class Counted(VideoReader):
        def __init__(self, video):
            opened.append(video)
            super().__init__(video)

    monkeypatch.setattr(clips_module, "VideoReader", Counted)
    UnlabelledClips(records, TwoFrames())[2]
    assert len(opened) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_videos_shorter_than_the_objective_wants_are_counted_from_workers_too(records, workers):
    clips = UnlabelledClips(records, TwoFrames())
    assert clips.short_indices() == []
    epoch(clips, workers)
    assert clips.short_indices() == [0, 1]


def test_an_unreadable_video_gives_way_to_the_next_and_is_known(records):
    with open(records[1]["video"]["path"], "wb") as file:
        file.write(b"no video")
    clips = UnlabelledClips(records, TwoFrames())
    assert len(epoch(clips, workers=1)) == 5
    assert clips.unreadable_indices() == [1] and "not a video" in clips.why_unreadable(1).reason


def test_streamed_videos_need_no_label_and_leave_out_what_cannot_be_read(tmp_path, caplog):
    write_shards(tmp_path, shards=2, videos_per_shard=4, broken=(5,))
    stream = read_shards(tmp_path).remove_columns("label")
    clips = StreamedUnlabelledClips(stream, 7, TwoFrames(), max_unreadable=0.5)
    first = [sample["frames"] for sample in clips]
    assert len(first) == 7 and "left out, can't be read" in caplog.text
    assert all(torch.equal(a, b["frames"]) for a, b in zip(first, clips, strict=True))
    clips.set_epoch(1)
    assert not all(torch.equal(a, b["frames"]) for a, b in zip(first, clips, strict=True))
