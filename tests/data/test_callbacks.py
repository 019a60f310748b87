import logging

import datasets
import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from hf_selfdistill.data.callbacks import EpochCallback, UnreadableVideosCallback
from hf_selfdistill.data.decoding import VideoDecodingError


class Clips:
    """What the callbacks know of a data set."""

    def __init__(self, length, unreadable=()):
        self.length, self.unreadable, self.epoch = length, list(unreadable), None
        self.records = datasets.Dataset.from_dict({"video": [{"path": f"v{index}.mp4"} for index in range(100)]})

    def __len__(self):
        return self.length

    def set_epoch(self, epoch):
        self.epoch = epoch

    def unreadable_indices(self):
        return self.unreadable

    def why_unreadable(self, index):
        return VideoDecodingError(f"v{index}.mp4", "it is empty")


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0), (2, 2), (2.4, 2)])
def test_clips_learn_the_epoch_also_where_a_run_resumes_within_one(tmp_path, epoch, expected):
    clips, state = Clips(3), TrainerState()
    state.epoch = epoch
    EpochCallback(clips).on_epoch_begin(TrainingArguments(str(tmp_path)), state, TrainerControl())
    assert clips.epoch == expected


def test_each_unreadable_video_is_named_once_with_its_reason(caplog):
    clips = Clips(100, [3])
    callback = UnreadableVideosCallback(clips)
    with caplog.at_level(logging.WARNING):
        callback.note()
        clips.unreadable.append(7)
        callback.note()
        callback.note()
    assert [record.getMessage() for record in caplog.records] == [
        "Skipped an unreadable video: v3.mp4: it is empty",
        "Skipped an unreadable video: v7.mp4: it is empty",
    ]
    assert callback.failures() == [
        {"video": "v3.mp4", "reason": "it is empty"},
        {"video": "v7.mp4", "reason": "it is empty"},
    ]


def test_more_than_the_allowed_share_of_all_videos_of_the_run_ends_it():
    training, validation = Clips(95, range(4)), Clips(5, [90])
    UnreadableVideosCallback(training, validation, most=0.05).check()
    training.unreadable.append(5)
    with pytest.raises(ValueError, match=r"6 of 100 videos can't be read, more than `max_unreadable` 0.05 .*v0\.mp4"):
        UnreadableVideosCallback(training, validation, most=0.05).check()


def test_one_bad_video_among_few_ends_a_run_only_where_none_is_allowed():
    UnreadableVideosCallback(Clips(10, [1]), most=0.05).check()
    with pytest.raises(ValueError, match="1 of 10 videos can't be read, more than `max_unreadable` 0 allows"):
        UnreadableVideosCallback(Clips(10, [1]), most=0).check()


def test_it_is_looked_after_at_every_step(tmp_path):
    callback = UnreadableVideosCallback(Clips(10, [1, 2]))
    with pytest.raises(ValueError, match="2 of 10"):
        callback.on_step_end(TrainingArguments(str(tmp_path)), TrainerState(), TrainerControl())


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=f"`most` is {share:g}; it must lie between 0 and 1"):
        UnreadableVideosCallback(Clips(3), most=share)
