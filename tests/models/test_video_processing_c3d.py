import functools
import http.server
import json
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoVideoProcessor, pipeline
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from hf_selfdistill import (
    C3DConfig,
    C3DForVideoClassification,
    C3DVideoProcessor,
    R2Plus1DConfig,
    R2Plus1DForVideoClassification,
)
from hf_selfdistill.data.decoding import VideoDecodingError, read_frames
from hf_selfdistill.models import video_processing_c3d

CLASSIFIERS = [(C3DForVideoClassification, C3DConfig), (R2Plus1DForVideoClassification, R2Plus1DConfig)]


def write_video(path, num_frames, height=120, width=160):
    """Frame t is of brightness 5 t, with a bright left half."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = height, width, "yuv420p", 4_000_000
        for t in range(num_frames):
            image = np.full((height, width, 3), 5 * t, dtype=np.uint8)
            image[:, : width // 2] += 40
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return str(path)


def manually(frames, size, antialias=True):
    """Resize, crop and normalise by hand; frames (T, 3, H, W) uint8."""
    height, width = frames.shape[-2:]
    short = min(height, width)
    scaled = [int(side * size / short) for side in (height, width)]
    frames = torch.nn.functional.interpolate(frames.float(), scaled, mode="bilinear", antialias=antialias)
    top, left = ((side - size) // 2 for side in scaled)
    frames = frames[..., top : top + size, left : left + size].round() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    return ((frames - mean) / std)[None]


@pytest.mark.parametrize("antialias", [True, False])
def test_decoded_frames_are_resized_cropped_and_normalised(antialias):
    frames = torch.randint(0, 256, (16, 3, 240, 320), dtype=torch.uint8)
    batch = C3DVideoProcessor(antialias=antialias)(frames, do_sample_frames=False, return_tensors="pt")
    assert set(batch.keys()) == {"pixel_values"}
    assert batch.pixel_values.shape == (1, 16, 3, 112, 112)
    # Resizing works on bytes: a value may round to its neighbour.
    assert (batch.pixel_values - manually(frames, 112, antialias)).abs().max() < 1.5 / 255 / min(IMAGENET_DEFAULT_STD)


def test_a_list_of_clips_of_different_sizes_becomes_one_batch():
    videos = [torch.zeros(16, 3, 128, 171, dtype=torch.uint8), torch.full((16, 3, 320, 240), 255, dtype=torch.uint8)]
    clips = C3DVideoProcessor()(videos, do_sample_frames=False, return_tensors="pt").pixel_values
    assert clips.shape == (2, 16, 3, 112, 112)
    assert clips[0].max() < 0 < clips[1].min()


def test_without_sampling_all_frames_are_kept():
    frames = torch.zeros(5, 3, 112, 112, dtype=torch.uint8)
    clips = C3DVideoProcessor()([frames, frames], do_sample_frames=False, return_tensors="pt").pixel_values
    assert clips.shape == (2, 5, 3, 112, 112)


@pytest.mark.parametrize(
    ("total", "expected"),
    [(40, list(range(12, 28))), (16, list(range(16))), (5, [i % 5 for i in range(16)]), (1, [0] * 16)],
)
def test_consecutive_frames_are_sampled_from_the_centre_and_short_videos_repeat(total, expected):
    frames = torch.arange(total, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 112, 112)
    clip = C3DVideoProcessor(do_normalize=False)(frames, return_tensors="pt").pixel_values
    assert (clip[0, :, 0, 0, 0] * 255).round().int().tolist() == expected


def test_another_number_of_frames_can_be_asked_for():
    frames = torch.zeros(40, 3, 112, 112, dtype=torch.uint8)
    assert C3DVideoProcessor()(frames, num_frames=8, return_tensors="pt").pixel_values.shape[1] == 8
    assert C3DVideoProcessor(num_frames=4)(frames, return_tensors="pt").pixel_values.shape[1] == 4


def test_the_frame_rate_and_stride_of_training_are_saved_and_used_again(tmp_path):
    path = write_video(tmp_path / "clip.mp4", num_frames=40)  # 25 fps
    C3DVideoProcessor(num_frames=4, target_fps=12.5).save_pretrained(tmp_path)
    C3DVideoProcessor(num_frames=4, frame_stride=3).save_pretrained(tmp_path / "stride")
    for folder, expected in [(tmp_path, [16, 18, 20, 22]), (tmp_path / "stride", [15, 18, 21, 24])]:
        (metadata,) = C3DVideoProcessor.from_pretrained(folder)(path, return_metadata=True)["video_metadata"]
        assert metadata.frames_indices == expected


def test_decoded_frames_are_drawn_at_a_rate_only_with_their_own_rate():
    frames, at_15_fps = torch.zeros(40, 3, 112, 112, dtype=torch.uint8), C3DVideoProcessor(target_fps=15.0)
    for processor, settings in ((at_15_fps, {}), (C3DVideoProcessor(), {"fps": 3, "num_frames": 6})):
        with pytest.raises(ValueError, match="have no rate of their own; give `video_metadata`"):
            processor(frames, return_tensors="pt", **settings)
    metadata = [{"total_num_frames": 40, "fps": 30.0}]
    batch = at_15_fps(frames, video_metadata=metadata, return_metadata=True)
    assert batch["video_metadata"][0].frames_indices == list(range(4, 36, 2))


@pytest.mark.parametrize("as_type", [str, Path])
def test_a_file_gives_its_central_frames(tmp_path, as_type):
    path = write_video(tmp_path / "ünïcode name.avi", num_frames=36)
    processor = C3DVideoProcessor()
    one = processor(as_type(path), return_tensors="pt").pixel_values
    several = processor([as_type(path), as_type(path)], return_tensors="pt").pixel_values
    decoded = processor(read_frames(path, range(10, 26)), do_sample_frames=False, return_tensors="pt").pixel_values
    assert torch.equal(one, decoded)
    assert torch.equal(several, decoded.repeat(2, 1, 1, 1, 1))
    assert (one[0, 1:].mean((1, 2, 3)) > one[0, :-1].mean((1, 2, 3))).all()


def test_a_file_can_be_read_whole(tmp_path):
    path = write_video(tmp_path / "clip.mp4", num_frames=20)
    assert C3DVideoProcessor()(path, do_sample_frames=False, return_tensors="pt").pixel_values.shape[1] == 20


def test_the_metadata_tell_which_frames_were_taken(tmp_path):
    path = write_video(tmp_path / "clip.mp4", num_frames=20)
    (metadata,) = C3DVideoProcessor()(path, return_metadata=True)["video_metadata"]
    assert (metadata.total_num_frames, metadata.fps) == (20, 25)
    assert metadata.frames_indices == list(range(2, 18))


@pytest.fixture
def served(tmp_path):
    """A video as a file and as an address."""
    path = write_video(tmp_path / "clip.mp4", num_frames=20)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield path, f"http://127.0.0.1:{server.server_port}/clip.mp4"
        server.shutdown()


def test_a_web_address_is_read(served):
    of_file, of_address = (C3DVideoProcessor()(video, return_tensors="pt").pixel_values for video in served)
    assert torch.equal(of_file, of_address)


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("DOWNLOAD_BYTES", 100, "it is larger than 100 bytes; download it first"),
        ("DOWNLOAD_SECONDS", -1, "its download takes more than -1 seconds"),
        ("SILENT_SECONDS", 0.1, "it can't be downloaded .timed out."),
    ],
)
def test_a_download_has_limits_of_size_and_time(limit, value, reason, monkeypatch):
    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(bytes(1000))
            self.wfile.flush()
            time.sleep(0.5 if limit == "SILENT_SECONDS" else 0)

    monkeypatch.setattr(video_processing_c3d, limit, value)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(VideoDecodingError, match=reason):
            C3DVideoProcessor()(f"http://127.0.0.1:{server.server_port}/clip.mp4")
        server.shutdown()


def test_a_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.raises(VideoDecodingError, match=r"notes\.txt"):
        C3DVideoProcessor()(str(tmp_path / "notes.txt"))


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="empty list"):
        C3DVideoProcessor()([])


@pytest.mark.parametrize("antialias", [True, False])
def test_the_resizing_of_training_is_saved_and_used_again(tmp_path, antialias):
    C3DVideoProcessor(antialias=antialias).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "video_preprocessor_config.json").read_text())["antialias"] is antialias
    assert AutoVideoProcessor.from_pretrained(tmp_path).antialias is antialias


def test_a_processor_saved_before_the_setting_existed_antialiases_as_it_did(tmp_path):
    C3DVideoProcessor().save_pretrained(tmp_path)
    file = tmp_path / "video_preprocessor_config.json"
    settings = json.loads(file.read_text())
    del settings["antialias"]
    file.write_text(json.dumps(settings))
    assert C3DVideoProcessor.from_pretrained(tmp_path).antialias


def test_settings_survive_save_and_load(tmp_path):
    C3DVideoProcessor(size={"shortest_edge": 48}, crop_size=48, num_frames=8, image_mean=[0, 0, 0]).save_pretrained(
        tmp_path
    )
    assert (tmp_path / "video_preprocessor_config.json").is_file()
    processor = C3DVideoProcessor.from_pretrained(tmp_path)
    frames = torch.full((30, 3, 60, 80), 255, dtype=torch.uint8)
    clip = processor(frames, return_tensors="pt").pixel_values
    assert clip.shape == (1, 8, 3, 48, 48)
    torch.testing.assert_close(clip[0, 0, :, 0, 0], 1 / torch.tensor(IMAGENET_DEFAULT_STD))
    assert C3DVideoProcessor().num_frames == 16


def save_small_classifier(folder, model_class, config_class):
    torch.manual_seed(0)
    labels = {0: "run", 1: "jump", 2: "sit"}
    config = config_class(hidden_sizes=[4, 4, 8, 8, 8], num_frames=8, image_size=32, id2label=labels)
    model = model_class(config)
    # Statistics of clips of many brightnesses and a steep head: neighbouring frames then score differently.
    for norm in filter(lambda module: isinstance(module, nn.BatchNorm3d), model.modules()):
        norm.momentum = 1.0
    model.train()(torch.randn(16, 8, 3, 32, 32) * 0.1 + torch.linspace(-2, 2, 16).view(-1, 1, 1, 1, 1))
    nn.init.normal_(model.classifier.weight, std=3)
    model.save_pretrained(folder)
    C3DVideoProcessor(size={"shortest_edge": 32}, crop_size=32, num_frames=8).save_pretrained(folder)


@pytest.mark.parametrize(("model_class", "config_class"), CLASSIFIERS)
def test_the_auto_class_finds_it_beside_either_model(tmp_path, model_class, config_class):
    save_small_classifier(tmp_path, model_class, config_class)
    processor = AutoVideoProcessor.from_pretrained(tmp_path)
    assert type(processor) is C3DVideoProcessor
    assert processor.num_frames == 8


@pytest.mark.parametrize("num_frames", [30, 3])
@pytest.mark.parametrize(("model_class", "config_class"), CLASSIFIERS)
def test_the_pipeline_scores_a_file_as_the_model_scores_its_central_frames(
    tmp_path, model_class, config_class, num_frames, caplog
):
    save_small_classifier(tmp_path / "model", model_class, config_class)
    path = write_video(tmp_path / "clip.mp4", num_frames)
    model = model_class.from_pretrained(tmp_path / "model")
    classify = pipeline("video-classification", model=str(tmp_path / "model"), device="cpu")
    rows = {row["label"]: row["score"] for row in classify(path)}
    scores = torch.tensor([rows[label] for label in ("run", "jump", "sit")])

    @torch.no_grad()
    def score(start):
        frames = read_frames(path, [i % num_frames for i in range(start, start + 8)])
        return model(manually(frames, 32)).logits[0].softmax(0)

    centre = 11 if num_frames == 30 else 0
    difference = (score(centre) - scores).abs().max()
    assert difference < 0.02
    assert difference < 0.5 * (score(centre + 1) - scores).abs().max()
    assert "not supported" not in caplog.text


@pytest.mark.parametrize(("model_class", "config_class"), CLASSIFIERS)
def test_the_pipeline_takes_a_file_an_address_and_a_list(tmp_path, served, model_class, config_class):
    save_small_classifier(tmp_path / "model", model_class, config_class)
    classify = pipeline("video-classification", model=str(tmp_path / "model"), device="cpu", top_k=2)
    rows = classify(served[0])
    assert [(type(row["label"]), type(row["score"])) for row in rows] == [(str, float)] * 2
    assert rows[0]["score"] >= rows[1]["score"]
    scores = {row["label"]: pytest.approx(row["score"], abs=1e-5) for row in rows}
    for found in classify([*served]):
        assert {row["label"]: row["score"] for row in found} == scores
