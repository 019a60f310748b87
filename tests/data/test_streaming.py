import itertools

import datasets
import pytest
import torch
from shards import read_shards, write_shards
from torch.utils.data import DataLoader

from hf_selfdistill.data.clips import collate_clips
from hf_selfdistill.data.decoding import VideoDecodingError
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.streaming import StreamedClips


@pytest.fixture
def records(tmp_path):
    """Twelve videos in four shards."""
    write_shards(tmp_path, shards=4, videos_per_shard=3)
    return read_shards(tmp_path)


def noisy(clip):
    return clip.float() + torch.randn(())


def stream(records, clips_per_epoch=12, **settings):
    return StreamedClips(records, clips_per_epoch, ClipSampler(None, 8), noisy, **settings)


def labels(clips):
    return [sample["labels"] for sample in clips]


def test_an_epoch_is_the_number_of_clips_asked_for(records):
    clips = stream(records, 7)
    assert len(clips) == 7 and len(list(clips)) == 7
    sample = next(iter(clips))
    assert sample["pixel_values"].shape == (8, 3, 16, 16) and isinstance(sample["labels"], int)


def test_processes_read_different_shards_that_make_up_the_whole(records):
    clips = stream(records)
    first, second = (labels(clips.part(i, 2)) for i in range(2))
    assert len(first) == len(second) == 6
    assert sorted(first + second) == list(range(12))
    shards = [{label // 3 for label in part} for part in (first, second)]
    assert not shards[0] & shards[1]


def test_processes_that_can_not_divide_the_shards_read_different_videos_and_are_warned(records, caplog):
    clips = stream(records)
    parts = [labels(clips.part(i, 3)) for i in range(3)]
    assert sorted(itertools.chain(*parts)) == list(range(12))
    assert "make the number of shards a multiple" in caplog.text


def test_workers_read_different_shards(records):
    loader = DataLoader(stream(records), 1, num_workers=2, collate_fn=collate_clips)
    assert sorted(batch["labels"].item() for batch in itertools.islice(loader, 12)) == list(range(12))


def test_workers_without_a_shard_leave_the_work_to_the_others(records):
    one_shard = stream(records.shard(4, 0), 6)
    loader = DataLoader(one_shard, 2, num_workers=2, collate_fn=collate_clips)
    assert sorted(itertools.chain(*(batch["labels"].tolist() for batch in loader))) == [0, 0, 1, 1, 2, 2]


def test_an_epoch_is_always_the_same_and_another_one_has_another_order_and_other_draws(records):
    clips, again = stream(records), stream(records)
    first = list(clips)
    for one, other in zip(first, again, strict=True):
        assert one["labels"] == other["labels"] and torch.equal(one["pixel_values"], other["pixel_values"])
    clips.set_epoch(1)
    second = list(clips)
    assert labels(first) != labels(second)
    by_label = {sample["labels"]: sample["pixel_values"] for sample in second}
    assert not any(torch.equal(by_label[sample["labels"]], sample["pixel_values"]) for sample in first)


def test_a_video_is_drawn_alike_whichever_process_reads_it(records):
    clips = stream(records)
    alone = {sample["labels"]: sample["pixel_values"] for sample in clips}
    for sample in itertools.chain(clips.part(0, 2), clips.part(1, 2)):
        assert torch.equal(sample["pixel_values"], alone[sample["labels"]])


def test_a_new_epoch_reaches_workers_that_already_run(records):
    clips = stream(records)
    loader = DataLoader(clips, 12, num_workers=1, persistent_workers=True, collate_fn=collate_clips)
    first = next(iter(loader))["labels"]
    clips.set_epoch(1)
    assert next(iter(loader))["labels"].tolist() != first.tolist()
    clips.set_epoch(0)
    assert next(iter(loader))["labels"].tolist() == first.tolist()


def test_a_stream_that_ends_before_the_epoch_starts_over_with_other_draws(records):
    clips = list(stream(records, 24))
    assert labels(clips[:12]) == labels(clips[12:])
    for one, other in zip(clips[:12], clips[12:], strict=True):
        assert not torch.equal(one["pixel_values"], other["pixel_values"])


def test_unreadable_videos_are_left_out_and_named_once(tmp_path, caplog):
    write_shards(tmp_path, shards=2, videos_per_shard=3, broken=(4,))
    clips = stream(read_shards(tmp_path), 10, max_unreadable=0.2)
    assert set(labels(clips)) == {0, 1, 2, 3, 5}
    assert len(labels(clips)) == 10
    assert caplog.text.count("Skipped") == 1 and "004.mp4" in caplog.text


def test_too_many_unreadable_videos_end_the_run_with_one_named(tmp_path):
    write_shards(tmp_path, shards=2, videos_per_shard=10, broken=(1, 3, 5, 7))
    with pytest.raises(ValueError, match=r"6 of the first \d+ videos .* more than `max_unreadable` 0.05 .* 00\d.mp4"):
        list(stream(read_shards(tmp_path), 60))


def test_a_stream_without_any_readable_video_does_not_spin(tmp_path):
    write_shards(tmp_path, shards=1, videos_per_shard=3, broken=(0, 1, 2))
    with pytest.raises(VideoDecodingError, match="mp4"):
        list(stream(read_shards(tmp_path), max_unreadable=1.0))


def test_videos_given_as_bytes_without_a_name_are_read(records):
    table = datasets.Dataset.from_list(list(records)).cast_column("video", datasets.Video(decode=False))
    nameless = table.to_iterable_dataset().map(lambda record: {"video": {**record["video"], "path": None}})
    assert sorted(labels(stream(nameless))) == list(range(12))


def test_epochs_without_clips_are_refused(records):
    with pytest.raises(ValueError, match="`clips_per_epoch` is 0"):
        stream(records, 0)
    with pytest.raises(ValueError, match="must be at least 3, one per process"):
        stream(records, 2).part(0, 3)
