import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from records import save_model
from videos import numbered_frames, write_video

from hf_selfdistill.runs import page

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-VERSION:3\n#EXTINF:2.0,\n{}\n"
SESSION = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
HOSTILE = {
    "local.m3u8": PLAYLIST + "#EXT-X-ENDLIST\n",
    "live.m3u8": PLAYLIST,
    "neighbour.mp4": "ffconcat version 1.0\nfile private.mp4\n",
    "many.mp4": "ffconcat version 1.0\n" + "file private.mp4\n" * 100_000,
    "session.mp4": SESSION,
}


class Answers:
    """Stands for a classifier; a video whose name contains "slow" waits for the event `go`."""

    name, num_clips, explainable = "model", 1, False

    def __init__(self):
        self.waits, self.go = threading.Event(), threading.Event()

    def look_at(self, video):
        if "slow" in Path(video).name:
            self.waits.set()
            assert self.go.wait(30)
        return {"run": 1.0}, [], None, None


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Server of a page with an example and uploads of 1 MB at most, its answers, and its folder of examples."""
    pytest.importorskip("gradio")
    videos, scratch = tmp_path / "private" / "videos", tmp_path / "scratch"
    videos.mkdir(parents=True)
    scratch.mkdir()
    (videos / "run.mp4").write_bytes(b"a video")
    (videos / "notes.txt").write_text("a secret")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(scratch))
    answers = Answers()
    model = SimpleNamespace(model=SimpleNamespace(config=SimpleNamespace(label2id={"run": 0})))
    blocks = page.build_page([answers], page.example_videos(model, str(videos), scratch))
    page.launch(blocks, "127.0.0.1", None, 1)
    yield blocks.local_url, answers, videos
    answers.go.set()
    blocks.close()


def _upload(address, content, name="video.mp4"):
    import httpx

    return httpx.post(f"{address}gradio_api/upload", files={"files": (name, content)})


def test_without_examples_a_model_of_other_classes_has_none(tmp_path):
    model = SimpleNamespace(config=SimpleNamespace(label2id={"run": 0}))
    assert page.example_videos(SimpleNamespace(model=model), None, tmp_path) == []


def test_an_upload_over_the_limit_is_refused_and_not_kept(served, tmp_path):
    address, *_ = served
    assert _upload(address, bytes(10**6)).status_code == 200
    before = sorted((tmp_path / "scratch").rglob("*"))
    assert _upload(address, bytes(2 * 10**6)).status_code == 413
    assert sorted((tmp_path / "scratch").rglob("*")) == before


def test_no_other_file_than_examples_and_uploads_is_served(served, tmp_path):
    import httpx

    address, _, videos = served
    for file in (videos / "notes.txt", videos / "run.mp4", Path(page.__file__), "/etc/passwd", tmp_path):
        assert httpx.get(f"{address}gradio_api/file={file}").status_code == 403
    (example,) = (tmp_path / "scratch").rglob("run.mp4")
    assert httpx.get(f"{address}gradio_api/file={example}").content == b"a video"


def test_the_page_names_no_folder_of_the_server(served):
    import httpx

    address, _, videos = served
    for part in ("", "config", "gradio_api/info"):
        shown = httpx.get(f"{address}{part}").text
        assert str(videos) not in shown and str(Path.cwd()) not in shown and str(Path.home()) not in shown


def test_a_path_or_an_address_in_place_of_an_upload_is_refused_without_details(served):
    import httpx

    address, _, videos = served
    for path in (str(videos / "run.mp4"), "pyproject.toml", f"{address}config"):
        call = f"{address}gradio_api/call/classify"
        event = httpx.post(call, json={"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}).json()
        answer = httpx.get(f"{call}/{event['event_id']}").text
        assert answer.startswith("event: error") and str(Path.cwd()) not in answer and str(videos) not in answer


def test_a_slow_video_does_not_stop_the_next_one(served):
    from gradio_client import Client, handle_file

    address, answers, videos = served
    for name in ("slow.mp4", "quick.mp4"):
        (videos / name).write_bytes(name.encode())
    client = Client(address, verbose=False)
    slow = client.submit(handle_file(videos / "slow.mp4"), api_name="/classify")
    assert answers.waits.wait(30)
    quick = client.predict(handle_file(videos / "quick.mp4"), api_name="/classify")
    assert quick[1]["value"]["label"] == "run" and not slow.done()
    answers.go.set()
    assert slow.result(30)[1]["value"]["label"] == "run"


def test_old_uploads_are_deleted_and_examples_are_kept(monkeypatch, request):
    from gradio_client import Client, handle_file

    monkeypatch.setattr(page, "CLEANING", (1, 1))
    address, _, videos = request.getfixturevalue("served")
    scratch = videos.parents[1] / "scratch"
    (videos / "quick.mp4").write_bytes(b"another video")
    Client(address, verbose=False).predict(handle_file(videos / "quick.mp4"), api_name="/classify")
    (example,) = scratch.rglob("run.mp4")
    Client(address, verbose=False).predict(handle_file(example), api_name="/classify")
    deadline = time.monotonic() + 10
    while list(scratch.rglob("quick.mp4")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not list(scratch.rglob("quick.mp4")) and example.is_file()


def test_the_page_says_that_hostile_files_are_not_videos_and_shows_no_other_video(tmp_path):
    pytest.importorskip("gradio")
    private = write_video(tmp_path / "private.mp4", numbered_frames(12))
    save_model(tmp_path / "model")
    sampling = SimpleNamespace(frame_stride=None, target_fps=None)
    classify = page._classify([page.Classifier(str(tmp_path / "model"), sampling, 2, tmp_path, 60)])
    assert classify(str(private))[0]["value"] == ""
    for name, text in HOSTILE.items():
        (tmp_path / name).write_text(text.replace("{}", str(private)))
    os.mkfifo(tmp_path / "fifo.mp4")
    for name in (*HOSTILE, "fifo.mp4"):
        problem, *answers = classify(str(tmp_path / name))
        assert f"{name} can&#x27;t be read: it is " in problem["value"] and str(tmp_path) not in problem["value"]
        assert all(answer["value"] is None for answer in answers)
