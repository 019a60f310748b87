"""The demo page: what it answers, and in a real browser, where one is installed, what one sees."""

from __future__ import annotations

import ast
import os
import shutil
import socket
from pathlib import Path

import pytest
import yaml
from PIL import Image
from tiny_classifiers import save_checkpoint, tiny_model, tiny_processor

from hf_selfdistill import VideoDecodingError
from hf_selfdistill.cli import app
from hf_selfdistill.runs import page as app_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SPACE = Path(__file__).parents[2] / "space"
MOTIONS = {"moving_left", "moving_right", "moving_up"}


@pytest.fixture
def video(shapes):
    return str(next(shapes.glob("*/*.mp4")))


@pytest.fixture
def classifier(fine_tuned, tmp_path):
    return app_page.Classifier(str(fine_tuned), app.AppArguments(str(fine_tuned)), 3, tmp_path, 60)


def test_an_answer_has_classes_clips_and_pictures(classifier, video):
    classes, rows, picture, animation = classifier.look_at(video)
    assert classes.keys() == MOTIONS and sum(classes.values()) == pytest.approx(1, abs=1e-5)
    assert [row[:2] for row in rows] == [["1", "0.00 – 0.28"], ["2", "0.08 – 0.36"], ["3", "0.16 – 0.44"]]
    assert {row[2] for row in rows} <= MOTIONS
    with Image.open(picture) as strip, Image.open(animation) as gif:
        assert strip.format == "PNG" and gif.n_frames == 8


def test_other_classifiers_answer_without_pictures(video, tmp_path):
    folder = save_checkpoint(tiny_model("videomae"), tiny_processor("videomae"), tmp_path / "model")
    classifier = app_page.Classifier(str(folder), app.AppArguments(str(folder)), 2, tmp_path, 60)
    classes, rows, *pictures = classifier.look_at(video)
    assert len(classes) == 3 and len(rows) == 2 and pictures == [None, None]


def test_a_bad_file_is_named(classifier, tmp_path):
    (tmp_path / "notes.mp4").write_text("not a video")
    with pytest.raises(VideoDecodingError, match="it is not a video"):
        classifier.look_at(str(tmp_path / "notes.mp4"))


def test_examples_are_moving_shapes_that_the_model_knows_or_those_of_a_folder(classifier, shapes, tmp_path):
    written = app_page.example_videos(classifier, None, tmp_path)
    assert {Path(file).parent.name for file in written} == MOTIONS
    given = app_page.example_videos(classifier, str(shapes), tmp_path)
    assert len(given) == 6 and all(Path(file).is_relative_to(tmp_path) for file in given)
    assert {Path(file).name for file in given} <= {file.name for file in shapes.glob("*/*")}


@pytest.mark.parametrize("flag", ["--num_clips", "--frame_stride", "--target_fps", "--max_upload", "--max_seconds"])
def test_a_number_that_is_not_positive_is_refused(flag, capsys):
    with pytest.raises(SystemExit) as stopped:
        app.main(["--model_name_or_path", "x", flag, "0"])
    assert stopped.value.code == 2 and f"error: {flag} is 0; it must be positive" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--model_name_or_path", "nowhere"], []])
def test_a_users_mistake_is_one_line(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        app.main(words)
    assert stopped.value.code == 2 or str(stopped.value.code).startswith("error: ")


def test_without_gradio_it_says_what_to_install(fine_tuned, monkeypatch):
    monkeypatch.setattr(app, "find_spec", lambda name: None)
    with pytest.raises(
        SystemExit, match=r'^error: the page needs Gradio; install it with pip install "hf_selfdistill\[app\]"$'
    ):
        app.main(["--model_name_or_path", str(fine_tuned)])


def test_the_space_is_whole():
    gradio = pytest.importorskip("gradio")
    header = yaml.safe_load((SPACE / "README.md").read_text().split("---")[1])
    assert header["sdk"] == "gradio" and header["sdk_version"] == gradio.__version__
    ast.parse((SPACE / header["app_file"]).read_text())
    assert "hf_selfdistill[app]" in (SPACE / "requirements.txt").read_text()


@pytest.fixture(scope="module")
def address(fine_tuned_once, shapes, tmp_path_factory):
    """A page with two models, served."""
    pytest.importorskip("gradio")
    folder = tmp_path_factory.mktemp("page")
    models = [
        app_page.Classifier(str(fine_tuned_once), app.AppArguments(str(fine_tuned_once)), clips, folder, 60)
        for clips in (3, 2)
    ]
    page = app_page.build_page(models, app_page.example_videos(models[0], None, folder))
    app_page.launch(page, "127.0.0.1", None, 200)
    yield page.local_url
    page.close()


def test_a_port_that_is_taken_is_one_line(tmp_path):
    gradio = pytest.importorskip("gradio")
    with socket.socket() as taken, gradio.Blocks() as page:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"`server_port` {port} is taken; give another one"):
            app_page.launch(page, "127.0.0.1", port, 200)


def test_the_address_is_said_and_nothing_else(tmp_path, capsys, caplog):
    gradio = pytest.importorskip("gradio")
    with gradio.Blocks() as page:
        pass
    with caplog.at_level("INFO", logger="hf_selfdistill"):
        app_page.launch(page, "127.0.0.1", None, 200)
    assert capsys.readouterr().out == ""
    page.close()
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("hf_selfdistill")]
    assert ours == [f"The page is at {page.local_url} until it is interrupted (Ctrl-C)"]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desk", "phone"])
def page(request, browser, address):
    page = browser.new_page(viewport=dict(zip(("width", "height"), request.param, strict=True)))
    page.set_default_timeout(60_000)
    page.goto(address)
    page.wait_for_selector("#video input[type=file]", state="attached")
    yield page
    page.close()


def test_a_dropped_video_is_classified_by_both_models_and_fits_the_screen(page, video, tmp_path):
    page.set_input_files("#video input[type=file]", video)
    for number in (0, 1):
        page.wait_for_selector(f"#label-{number} h2")
        assert page.inner_text(f"#label-{number} h2").strip() in MOTIONS
    page.wait_for_selector("img[src*='.gif'] >> nth=1")
    assert page.locator("img[src*='.png']").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.width == page.viewport_size["width"] and picture.height > page.viewport_size["height"]


def test_a_bad_file_is_explained_in_the_page_and_the_next_one_is_classified(page, video, tmp_path):
    (tmp_path / "notes.mp4").write_text("not a video")
    page.set_input_files("#video input[type=file]", tmp_path / "notes.mp4")
    page.wait_for_selector("#problem [role=alert]")
    assert page.inner_text("#problem").startswith("notes.mp4 can't be read: it is not a video")
    # By script, and all of them: while a file that is no video loads, the player's icon lies over the button now and
    # then, and a button that is going has another one beside it.
    page.wait_for_selector("#video button[aria-label='Clear']")
    page.locator("#video button[aria-label='Clear']").evaluate_all("buttons => buttons.forEach(one => one.click())")
    page.wait_for_selector("#problem [role=alert]", state="detached")
    page.set_input_files("#video input[type=file]", video)
    page.wait_for_selector("#label-0 h2")


def test_an_example_is_classified_at_a_click(page):
    page.click(".gallery button, .gallery-item")
    page.wait_for_selector("#label-0 h2")


def test_a_pass_over_a_video_has_a_time_limit(classifier, video):
    classifier.max_seconds = 0
    with pytest.raises(VideoDecodingError, match="it takes more than `max_seconds` 0"):
        classifier.look_at(video)


def test_all_files_of_the_page_are_deleted_at_the_end(fine_tuned, video, monkeypatch):
    gradio, client = pytest.importorskip("gradio"), pytest.importorskip("gradio_client")
    folders = []

    def visit(page):
        client.Client(page.local_url, verbose=False).predict(client.handle_file(video), api_name="/classify")
        folders.append(Path(os.environ["GRADIO_TEMP_DIR"]))
        assert list(folders[0].rglob(Path(video).name)) and list(folders[0].rglob("*.gif"))
        page.close()

    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    monkeypatch.setattr(gradio.Blocks, "block_thread", visit)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app.main(["--model_name_or_path", str(fine_tuned), "--server_port", str(port)])
    assert folders and not folders[0].exists()
