import pytest
import torch
from tiny_classifiers import FRAMES, tiny_model, tiny_processor
from transformers import pipeline
from videos import numbered_frames, write_video

from hf_selfdistill import (
    C3DConfig,
    C3DForVideoClassification,
    C3DVideoProcessor,
    MultiClipPipeline,
    VideoDecodingError,
    read_frames,
)


def c3d():
    torch.manual_seed(0)
    config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=3)
    sizes = {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}, "num_frames": 8}
    return C3DForVideoClassification(config).eval(), C3DVideoProcessor(**sizes)


@pytest.fixture
def video(tmp_path):
    return str(write_video(tmp_path / "v.mp4", numbered_frames(29)))


def by_hand(model, processor, video, starts, length, stride=1):
    clips = [read_frames(video, range(start, start + length * stride, stride)) for start in starts]
    with torch.no_grad():
        logits = model(**processor(clips, do_sample_frames=False, return_tensors="pt")).logits
    return logits.reshape(len(starts), -1).mean(0).softmax(0).sort(descending=True).values.tolist()


def classify(model, processor, **settings):
    return pipeline(
        "video-classification", model, video_processor=processor, pipeline_class=MultiClipPipeline, **settings
    )


def scores(found):
    return [row["score"] for row in found]


def test_the_logits_of_evenly_spaced_clips_are_averaged(video):
    model, processor = c3d()
    found = classify(model, processor, num_clips=4)(video)
    assert scores(found) == pytest.approx(by_hand(model, processor, video, [0, 7, 14, 21], 8), abs=1e-6)


def test_the_number_of_clips_can_be_given_per_call_and_one_is_the_plain_pipeline(video):
    model, processor = c3d()
    plain = pipeline("video-classification", model, video_processor=processor)(video)
    one = classify(model, processor)(video, num_clips=1)
    assert scores(one) == pytest.approx(scores(plain), abs=1e-6)
    assert [row["label"] for row in one] == [row["label"] for row in plain]


def test_every_second_frame_can_be_asked_for(video):
    model, processor = c3d()
    found = classify(model, processor, num_clips=2, frame_sampling_rate=2)(video)
    assert scores(found) == pytest.approx(by_hand(model, processor, video, [0, 14], 8, stride=2), abs=1e-6)


def test_a_list_of_videos_gives_what_each_gives_alone(video, tmp_path):
    other = str(write_video(tmp_path / "w.mp4", numbered_frames(12, 40, 60)))
    found = classify(*c3d(), num_clips=3)
    assert found([video, other]) == [found(video), found(other)]


@pytest.mark.parametrize("name", ["c3d", "vjepa2"])
def test_batches_of_videos_give_what_each_gives_alone(name, video, tmp_path):
    other = str(write_video(tmp_path / "w.mp4", numbered_frames(12, 40, 60)))
    found = classify(*(c3d() if name == "c3d" else (tiny_model(name).eval(), tiny_processor(name))), num_clips=3)
    batched = found([video, other, video], batch_size=2)
    for rows, alone in zip(batched, [found(video), found(other), found(video)], strict=True):
        assert scores(rows) == pytest.approx(scores(alone), abs=1e-6)


@pytest.mark.parametrize("name", ["videomae", "vjepa2"])
def test_other_classifiers_are_tested_on_several_clips_too(name, video):
    model, processor = tiny_model(name).eval(), tiny_processor(name)
    found = classify(model, processor, num_clips=2)(video)
    assert scores(found) == pytest.approx(by_hand(model, processor, video, [0, 29 - FRAMES], FRAMES), abs=1e-6)


def test_no_clip_is_an_error(video):
    with pytest.raises(ValueError, match="`num_clips` is 0"):
        classify(*c3d(), num_clips=0)


def test_a_bad_file_is_named(tmp_path):
    (tmp_path / "notes.mp4").write_text("not a video")
    with pytest.raises(VideoDecodingError, match=r"notes\.mp4: it is not a video"):
        classify(*c3d())(str(tmp_path / "notes.mp4"))
