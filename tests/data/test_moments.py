import random
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import datasets
import pytest
import torch
from videos import frame_numbers, numbered_frames, write_video

from hf_selfdistill.data.clips import TestingClips, TrainingClips
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.streaming import StreamedClips
from hf_selfdistill.data.unlabelled import StreamedUnlabelledClips, UnlabelledClips, VideoViews
from hf_selfdistill.models.video_processing_c3d import C3DVideoProcessor

# name of the file, and how it is written; with "times", in units of 1 / fps, frames are not evenly spaced
_DRAW = random.Random(0)
LIVE = [time for time in range(150) if time == 0 or _DRAW.random() < 18.8 / 30]  # 30 fps are said, 18.8 are true
PAUSE = [*range(20), *range(120, 140), *range(150, 190, 2)]
VARIABLE = {
    "screen_recording.mp4": {"fps": 30, "times": PAUSE, "b_frames": 2},
    "screen_recording.mov": {"fps": 30, "times": PAUSE, "codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "live.webm": {"fps": 30, "times": LIVE, "codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "live.mkv": {"fps": 30, "times": LIVE, "b_frames": 2},
    "live.ts": {"fps": 30, "times": LIVE, "b_frames": 2},
    "live.flv": {"fps": 30, "times": LIVE},
    "dropped.avi": {"fps": 30, "times": LIVE, "codec": "mpeg4"},
    "delays.gif": {"fps": 25, "times": PAUSE, "codec": "gif", "pix_fmt": "rgb8"},
}
EVEN = {
    "even.mp4": {"b_frames": 2},
    "even.webm": {"codec": "libvpx", "fps": 30, "options": {"deadline": "realtime", "cpu-used": "8"}},
    "even.mkv": {"fps": 29.97},
    "mpeg4_b_frames.avi": {"codec": "mpeg4", "b_frames": 2},
    "h264_b_frames.avi": {"b_frames": 3},
    "h264_b_frames_dropped.avi": {"b_frames": 3, "times": [time + 9 * (time > 20) for time in range(60)]},
}


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")

    @cache
    def once(name):
        settings = VARIABLE.get(name) or EVEN[name]
        return write_video(folder / name, numbered_frames(len(settings.get("times", range(60))), 64, 64), **settings)

    return once


def shown_by_ffmpeg(path: Path, fps: float) -> list[int]:
    """Numbers of the frames that FFmpeg's filter gives at a constant rate."""
    graph, numbers = av.filter.Graph(), []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        source = graph.add_buffer(template=stream)
        rate = graph.add("fps", f"fps={Fraction(fps).limit_denominator(1000)}")
        source.link_to(start := graph.add("setpts", "PTS-STARTPTS"))
        start.link_to(rate)
        rate.link_to(sink := graph.add("buffersink"))
        graph.configure()
        for frame in [*container.decode(stream), None]:
            source.push(frame)
            while True:
                try:
                    image = torch.from_numpy(sink.pull().to_ndarray(format="rgb24"))
                except (av.BlockingIOError, av.EOFError):
                    break
                numbers += frame_numbers(image.movedim(-1, 0)[None])
    return numbers


@pytest.mark.parametrize("target_fps", [8, 12.5])
@pytest.mark.parametrize("name", VARIABLE)
def test_frames_at_a_given_rate_are_those_of_ffmpegs_filter(name, target_fps, write):
    path = write(name)
    with VideoReader(path, target_fps=target_fps) as reader:
        numbers = frame_numbers(reader.read(range(reader.num_frames)))
        assert reader.by_time and reader.fps % target_fps == 0
        assert numbers == shown_by_ffmpeg(path, reader.fps)
        assert frame_numbers(reader.read([reader.num_frames + 3])) == numbers[3:4]


@pytest.mark.parametrize("name", EVEN)
def test_evenly_spaced_frames_and_scrambled_times_leave_frames_chosen_by_index(name, write):
    path = write(name)
    with VideoReader(path, target_fps=8) as reader, VideoReader(path) as by_index:
        assert not reader.by_time and (reader.num_frames, reader.fps) == (60, by_index.fps)
        assert frame_numbers(reader.read([3, 30, 59])) == [3, 30, 59]


class Window(VideoViews):
    span = 8
    processor = C3DVideoProcessor(target_fps=8.0)

    def __call__(self, reader, video):
        return {"clip": reader.read(ClipSampler(None, 8, target_fps=8.0)(reader.num_frames, reader.fps)[0])}


def same(frames: torch.Tensor) -> torch.Tensor:
    return frames


AS_IT_IS = {"do_resize": False, "do_center_crop": False, "do_rescale": False, "do_normalize": False}
DOORS = {
    "testing": lambda videos: TestingClips(videos, ClipSampler(1, 8, target_fps=8.0), same)[0]["pixel_values"][0],
    "training": lambda videos: TrainingClips(videos, ClipSampler(None, 8, target_fps=8.0), same)[0]["pixel_values"],
    "stream": lambda videos: next(
        iter(StreamedClips(videos.to_iterable_dataset(), 1, ClipSampler(None, 8, target_fps=8.0), same))
    )["pixel_values"],
    "pre-training": lambda videos: UnlabelledClips(videos, Window())[0]["clip"],
    "stream of pre-training": lambda videos: next(
        iter(StreamedUnlabelledClips(videos.to_iterable_dataset(), 1, Window()))
    )["clip"],
    "processor": lambda videos: C3DVideoProcessor(target_fps=8.0, num_frames=8, **AS_IT_IS)(
        videos[0]["video"]["path"], return_tensors="pt"
    )["pixel_values"][0],
    "processor, rate of the call": lambda videos: C3DVideoProcessor(num_frames=8, **AS_IT_IS)(
        videos[0]["video"]["path"], return_tensors="pt", fps=8.0
    )["pixel_values"][0],
}


@pytest.mark.parametrize("name", ["screen_recording.mp4", "live.webm"])
@pytest.mark.parametrize("door", DOORS)
def test_a_clip_of_a_given_rate_spans_its_time_in_training_testing_and_pretraining(door, name, write):
    path = write(name)
    videos = datasets.Dataset.from_dict(
        {"video": [{"path": str(path), "bytes": None}], "label": [0]},
        features=datasets.Features(video=datasets.Video(decode=False), label=datasets.ClassLabel(names=["only"])),
    )
    with VideoReader(path, target_fps=8) as reader:
        step, shown = round(reader.fps / 8), shown_by_ffmpeg(path, reader.fps)
    span = 7 * step + 1
    windows = [shown[start : start + span : step] for start in range(len(shown) - span + 1)]
    clip = frame_numbers(DOORS[door](videos))
    assert clip in windows
    if door in ("testing", "processor", "processor, rate of the call"):
        assert clip == windows[(len(windows) - 1) // 2]
