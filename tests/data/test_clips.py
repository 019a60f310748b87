import datasets
import pytest
import torch
from torch.utils.data import DataLoader
from videos import frame_numbers, numbered_frames, write_video

from hf_selfdistill.data.clips import TestingClips, TrainingClips, collate_clips
from hf_selfdistill.data.decoding import VideoDecodingError
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.transforms import ClipProcessor, training_augmentation
from hf_selfdistill.models.video_processing_c3d import C3DVideoProcessor


@pytest.fixture
def records(tmp_path):
    """Five videos of 20 to 24 frames; the third is a text file."""
    paths = []
    for i in range(5):
        paths.append(tmp_path / f"v{i}.mp4")
        write_video(paths[-1], numbered_frames(20 + i))
    paths[2].write_text("not a video")
    return datasets.Dataset.from_dict(
        {"video": [str(path) for path in paths], "label": [0, 1, 0, 1, 2]},
        features=datasets.Features(
            video=datasets.Video(decode=False), label=datasets.ClassLabel(names=["a", "b", "c"])
        ),
    )


def as_float(clip):
    return clip.float()


def test_a_training_clip_is_a_window_of_its_video_with_its_label(records):
    clips = TrainingClips(records, ClipSampler(None, 8), as_float)
    sample = clips[1]
    numbers = frame_numbers(sample["pixel_values"])
    assert numbers == list(range(numbers[0], numbers[0] + 8))
    assert sample["labels"] == 1 and len(clips) == 5


def test_a_loop_over_training_clips_ends(records):
    assert len(list(TrainingClips(records, ClipSampler(None, 8), as_float))) == 5


def noisy(clip):
    return clip.float() + torch.randn(())


def first_epoch(clips, workers):
    return torch.cat(
        [batch["pixel_values"] for batch in DataLoader(clips, 2, num_workers=workers, collate_fn=collate_clips)]
    )


def test_draws_depend_on_seed_epoch_and_index_and_not_on_workers_or_order(records):
    def epoch(number, workers=0, seed=0):
        clips = TrainingClips(records, ClipSampler(None, 8), noisy, seed)
        clips.set_epoch(number)
        return first_epoch(clips, workers)

    assert torch.equal(epoch(0), epoch(0))
    assert torch.equal(epoch(1), epoch(1, workers=2))
    assert not torch.equal(epoch(0), epoch(1))
    assert not torch.equal(epoch(0), epoch(0, seed=1))
    backwards = TrainingClips(records, ClipSampler(None, 8), noisy)
    assert torch.equal(torch.stack([backwards[i]["pixel_values"] for i in (4, 3, 2, 1, 0)]).flip(0), epoch(0))


def test_a_new_epoch_reaches_workers_that_already_run(records):
    clips = TrainingClips(records, ClipSampler(None, 8), noisy)
    loader = DataLoader(clips, 5, num_workers=1, persistent_workers=True, collate_fn=collate_clips)
    first = next(iter(loader))["pixel_values"]
    clips.set_epoch(1)
    second = next(iter(loader))["pixel_values"]
    clips.set_epoch(0)
    assert torch.equal(next(iter(loader))["pixel_values"], first)
    assert not torch.equal(first, second)


def test_an_unreadable_training_video_is_replaced_by_the_next_and_known_in_the_main_process(records):
    clips = TrainingClips(records, ClipSampler(None, 8), as_float)
    labels = torch.cat([batch["labels"] for batch in DataLoader(clips, 2, num_workers=2, collate_fn=collate_clips)])
    assert labels.tolist() == [0, 1, 1, 1, 2]
    assert clips.unreadable_indices() == [2]
    error = clips.why_unreadable(2)
    assert error.video.endswith("v2.mp4") and error.reason


def test_many_unreadable_videos_in_a_row_are_all_replaced(records):
    broken = datasets.concatenate_datasets([records.select([0])] + [records.select([2])] * 30)
    clips = TrainingClips(broken, ClipSampler(None, 8), as_float)
    assert [clips[i]["labels"] for i in (1, 15, 30)] == [0, 0, 0]
    assert len(clips.unreadable_indices()) == 30


def test_a_replacement_is_another_draw_than_its_own(records):
    clips = TrainingClips(records, ClipSampler(None, 8), noisy)
    assert not torch.equal(clips[2]["pixel_values"], clips[3]["pixel_values"])


@pytest.mark.parametrize("group_bytes", [1, 30_000])
def test_frames_of_large_videos_are_transformed_a_few_at_a_time_and_are_the_same(group_bytes, records, monkeypatch):
    testing, training = clips_of_both_kinds(records)
    at_once = testing[4]["pixel_values"], training[4]["pixel_values"]
    monkeypatch.setattr("hf_selfdistill.data.decoding.GROUP_BYTES", group_bytes)
    assert torch.equal(testing[4]["pixel_values"], at_once[0])
    assert torch.equal(training[4]["pixel_values"], at_once[1])


def clips_of_both_kinds(records):
    processor = C3DVideoProcessor(size={"shortest_edge": 20}, crop_size={"height": 16, "width": 16})
    augment = training_augmentation((16, 16))
    return (
        TestingClips(records, ClipSampler(4, 8), ClipProcessor(processor)),
        TrainingClips(records, ClipSampler(None, 8), ClipProcessor(processor, augment)),
    )


def test_where_no_video_can_be_read_the_error_names_one(records):
    only = records.select([2])
    with pytest.raises(VideoDecodingError, match=r"v2\.mp4"):
        TrainingClips(only, ClipSampler(None, 8), as_float)[0]


def test_testing_gives_all_clips_of_a_video_in_order(records):
    sample = TestingClips(records, ClipSampler(3, 8), as_float)[0]
    assert sample["pixel_values"].shape == (3, 8, 3, 48, 64)
    assert [frame_numbers(clip)[0] for clip in sample["pixel_values"]] == [0, 6, 12]
    assert sample["labels"].tolist() == [0, 0, 0]


def test_an_unreadable_testing_video_counts_nowhere(records):
    clips = TestingClips(records, ClipSampler(3, 8), as_float)
    sample = clips[2]
    assert sample["labels"].tolist() == [-100] * 3
    assert sample["pixel_values"].shape[:2] == (3, 8)
    assert clips.unreadable_indices() == [2]


def test_videos_given_as_bytes_are_read(records, tmp_path):
    content = (tmp_path / "v0.mp4").read_bytes()
    table = datasets.Dataset.from_dict(
        {"video": [{"bytes": content, "path": None}], "label": [0]},
        features=datasets.Features(video=datasets.Video(decode=False), label=datasets.Value("int64")),
    )
    assert frame_numbers(TestingClips(table, ClipSampler(1, 8), as_float)[0]["pixel_values"][0])[0] == 6


def test_batches_keep_training_clips_and_lay_out_testing_clips_one_by_one():
    training = collate_clips([{"labels": i, "pixel_values": torch.zeros(8, 3, 4, 4)} for i in range(2)])
    assert training["pixel_values"].shape == (2, 8, 3, 4, 4) and training["labels"].tolist() == [0, 1]
    testing = collate_clips(
        [{"labels": torch.full((3,), i), "pixel_values": torch.full((3, 8, 3, 4, 4), i)} for i in range(2)]
    )
    assert testing["pixel_values"].shape == (6, 8, 3, 4, 4)
    assert testing["pixel_values"][:, 0, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert testing["labels"].tolist() == [[0, 0, 0], [1, 1, 1]]
