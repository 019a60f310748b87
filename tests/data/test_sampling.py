import pytest
import torch

from hf_selfdistill.data.sampling import (
    ClipSampler,
    center_clip,
    evenly_centred_clips,
    evenly_spaced_clips,
    random_clip,
)


def test_evenly_spaced_starts_are_those_of_the_released_code():
    starts = [clip[0] for clip in evenly_spaced_clips(100, 16, 10)]
    assert starts == [0, 9, 19, 28, 37, 47, 56, 65, 75, 84]


def test_clips_are_consecutive_frames():
    assert center_clip(100, 16) == list(range(42, 58))


def test_a_short_video_repeats_cyclically_in_every_clip():
    assert center_clip(3, 8) == [0, 1, 2, 0, 1, 2, 0, 1]
    assert evenly_spaced_clips(3, 4, 2) == [[0, 1, 2, 0]] * 2
    assert random_clip(1, 4) == [0, 0, 0, 0]


def test_random_starts_cover_the_whole_range_both_ends_included():
    torch.manual_seed(0)
    starts = {random_clip(20, 16)[0] for _ in range(200)}
    assert starts == set(range(5))


def test_stride_takes_every_nth_frame():
    assert center_clip(100, 4, stride=3) == [45, 48, 51, 54]


def test_another_frame_rate_than_the_videos():
    slower = ClipSampler(1, 4, target_fps=10)
    assert slower(100, 30.0) == [[45, 48, 51, 54]]
    faster = ClipSampler(1, 4, target_fps=60)
    assert faster(100, 30.0) == [[48, 49, 49, 50]]


@pytest.mark.parametrize(("fps", "target"), [(29.97, 30), (24.9998, 25), (30, 29.97)])
def test_nearly_the_videos_own_rate_means_its_own_frames(fps, target):
    assert ClipSampler(1, 16, target_fps=target)(300, fps) == [list(range(142, 158))]


def test_training_draws_one_clip_and_testing_as_many_as_asked():
    assert len(ClipSampler(None, 16)(100, 25.0)) == 1
    assert len(ClipSampler(10, 16)(100, 25.0)) == 10


@pytest.mark.parametrize("wrong", [{"num_clips": 0}, {"clip_length": 0}, {"frame_stride": 0}, {"target_fps": 0.0}])
def test_a_number_that_is_not_positive_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClipSampler(**{"num_clips": 1, "clip_length": 16, **wrong})


@pytest.mark.parametrize("num_frames", [5, 16, 17, 100, 333])
def test_evenly_centred_clips_start_where_vcops_do(num_frames):
    centres = [8 + i * (max(num_frames, 16) - 16) / 9 for i in range(10)]
    clips = evenly_centred_clips(num_frames, 16, 10)
    for centre, clip in zip(centres, clips, strict=True):
        assert clip[0] in (int(centre - 8), int(centre - 8 + 1e-9))  # a sum of thirds may fall short of a whole number
        assert clip == [(clip[0] + i) % num_frames for i in range(16)]
    assert ClipSampler(10, 16, spread=evenly_centred_clips)(num_frames, 25.0) == clips
