"""A page in the browser that classifies dropped videos by one model, or by two side by side."""

from __future__ import annotations

import html
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.data.moving_shapes import MOTIONS, write_moving_shapes
from hf_selfdistill.data.video_files import named_videos
from hf_selfdistill.models.loading import load_for_inference
from hf_selfdistill.models.modeling_video_encoder import VideoEncoderForVideoClassification
from hf_selfdistill.reporting.explain import Explainer
from hf_selfdistill.runs.predict import Prediction, predictions
from hf_selfdistill.training.clips import clips_without_labels, set_sampling
from hf_selfdistill.training.multi_clip import likeliest

if TYPE_CHECKING:
    import gradio

__all__ = ["Classifier", "build_page", "example_videos", "launch"]

logger = logging.getLogger(__name__)

TITLE = "What is in this video?"
EXAMPLES_SHOWN = 6
REQUESTS = 4  # answered at the same time
QUEUED = 20
CLEANING = (60, 1800)  # every minute, files older than half an hour are deleted


class Classifier:
    """One of the models of the page.

    Args:
        name: folder of the model, or its name on the Hub.
        sampling: arguments with `frame_stride` and `target_fps`.
        num_clips: number of clips per video.
        folder: folder of the pictures.
        max_seconds: time limit of `VideoReader` for each pass over a video.

    Raises:
        ValueError: it is not a fine-tuned classifier.
        OSError: there is no such model.
    """

    def __init__(self, name: str, sampling: Any, num_clips: int, folder: Path, max_seconds: float) -> None:
        self.name = Path(name).resolve().name if Path(name).is_dir() else name
        self.num_clips, self.folder, self.max_seconds = num_clips, folder, max_seconds
        self.model, self.processor = load_for_inference(name)
        set_sampling(self.processor, sampling)
        self.explainable = isinstance(self.model, VideoEncoderForVideoClassification)

    def look_at(self, video: str) -> tuple[dict[str, float], list[list[str]], str | None, str | None]:
        """Return probabilities by class, a row per clip (number, seconds, class, probability), filmstrip and GIF.

        Raises:
            VideoDecodingError: the file can't be read.
        """
        clips = clips_without_labels(named_videos([video]), self.model, self.processor, self.num_clips)
        clips.max_seconds = self.max_seconds
        with VideoReader(video, max_seconds=self.max_seconds, target_fps=clips.target_fps) as reader:
            indices = clips.sampler(reader.num_frames, reader.fps)
            spans = [f"{clip[0] / reader.fps:.2f} – {clip[-1] / reader.fps:.2f}" for clip in indices]
        (prediction,) = predictions(clips, self.model)
        if prediction.error is not None:
            raise prediction.error
        classes = dict(prediction.classes)
        rows = self._rows(prediction, spans)
        if not self.explainable:
            return classes, rows, None, None
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        explainer = Explainer(self.model, self.processor, clips, columns=4)
        assert prediction.logits is not None
        explainer.write(video, prediction.logits, folder)
        (picture,), (animation,) = folder.glob("*.png"), folder.glob("*.gif")
        return classes, rows, str(picture), str(animation)

    def _rows(self, prediction: Prediction, spans: list[str]) -> list[list[str]]:
        assert prediction.logits is not None
        rows = []
        for number, (span, scores) in enumerate(zip(spans, prediction.logits.softmax(-1), strict=True), 1):
            ((label, score),) = likeliest(scores, self.model.config.id2label, 1)
            rows.append([str(number), span, label, f"{score:.0%}"])
        return rows


def launch(page: gradio.Blocks, server_name: str, server_port: int | None, max_megabytes: int) -> None:
    """Serve a page and log its address; fonts are the system's, so that nothing is fetched from elsewhere.

    Args:
        page: page from `build_page`.
        server_name: address of the server.
        server_port: port of the server; None takes a free one.
        max_megabytes: size of an upload, at most.

    Raises:
        ValueError: something else listens at the port.
    """
    import gradio

    try:
        page.queue(max_size=QUEUED, default_concurrency_limit=REQUESTS).launch(
            server_name=server_name,
            server_port=server_port,
            max_file_size=f"{max_megabytes}mb",
            theme=gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
            css=STYLE,
            footer_links=[],
            prevent_thread_lock=True,
            quiet=True,
        )
    except OSError as error:
        if "empty port" not in str(error):
            raise
        raise ValueError(f"`server_port` {server_port} is taken; give another one") from error
    logger.info("The page is at %s until it is interrupted (Ctrl-C)", page.local_url)


def example_videos(classifier: Classifier, folder: str | None, scratch: Path) -> list[str]:
    """Return example videos in `scratch`: copies from a folder, or moving shapes if the model has such classes.

    Raises:
        ValueError: the folder holds no video.
    """
    known = tuple(motion for motion in MOTIONS if motion in classifier.model.config.label2id)
    if folder is not None:
        found = [video["path"] for video in named_videos([folder])["video"]]
        chosen = found[:: max(1, len(found) // EXAMPLES_SHOWN)][:EXAMPLES_SHOWN]
        folders = [tempfile.mkdtemp(dir=scratch) for _ in chosen]  # names can repeat
        return [shutil.copy(video, into) for video, into in zip(chosen, folders, strict=True)]
    if not known:
        return []
    write_moving_shapes(scratch / "examples", known[:EXAMPLES_SHOWN], videos_per_class=8, seed=1)
    # MP4 is what browsers play; one of each motion where there is one.
    of_motion = [sorted((scratch / "examples" / motion).glob("*.mp4")) for motion in known[:EXAMPLES_SHOWN]]
    return [str(videos[0]) for videos in of_motion if videos]


STYLE = ".problem {color: #9b1c1c; background: #fdecec; padding: 0.6em 1em; border-radius: 6px}"


def build_page(models: Sequence[Classifier], examples: Sequence[str] = ()) -> gradio.Blocks:
    """Build the page, which classifies as soon as there is a video."""
    import gradio

    with gradio.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CLEANING) as page:
        gradio.Markdown(f"# {TITLE}\n{_introduction(models)}")
        with gradio.Row():
            with gradio.Column(min_width=280):
                video = _upload()
            with gradio.Column(min_width=280):
                if examples:
                    gradio.Examples([[example] for example in examples], [video], label="or choose an example")
        problem = gradio.HTML(visible=False, elem_id="problem")
        with gradio.Row():
            answers = [_answer(model, number) for number, model in enumerate(models)]
        outputs = [problem, *(part for answer in answers for part in answer)]
        video.change(_classify(models), [video], outputs, show_progress="minimal")
    return page


def _upload() -> gradio.Video:
    """Return the field for a video, without Gradio's download of addresses, which has no limit."""
    import gradio

    video = gradio.Video(label="video", sources=["upload"], height=260, elem_id="video")
    keep = video.async_move_resource_to_block_cache

    async def keep_file(path: str | Path | None) -> str | None:
        if str(path).startswith(("http:", "https:")):
            raise ValueError("the video is an address; upload the file")
        return await keep(path)

    video.async_move_resource_to_block_cache = keep_file
    return video


def _introduction(models: Sequence[Classifier]) -> str:
    clips = models[0].num_clips
    text = f"{clips} clips, spread evenly over the video, are classified and averaged."
    if any(model.explainable for model in models):
        text += " Colour shows the evidence for the class in its most convincing clip."
    return text


def _answer(classifier: Classifier, number: int) -> list[Any]:
    import gradio

    with gradio.Column(min_width=300):
        gradio.Markdown(f"### {classifier.name}")
        label = gradio.Label(num_top_classes=5, label="likeliest classes", elem_id=f"label-{number}")
        animation = gradio.Image(
            show_label=False, type="filepath", format="gif", visible=False, buttons=[], interactive=False
        )
        picture = gradio.Image(
            show_label=False,
            type="filepath",
            visible=False,
            buttons=["download", "fullscreen"],
            interactive=False,
        )
        rows = gradio.Dataframe(
            headers=["clip", "seconds", "looks like", "sure"],
            label="clips used",
            visible=False,
            interactive=False,
        )
    return [label, animation, picture, rows]


def _classify(models: Sequence[Classifier]) -> Callable[[str | None], list[Any]]:
    import gradio

    def nothing(said: str) -> list[Any]:
        hidden = [gradio.update(value=None, visible=False)] * 3
        blank = [gradio.update(value=None), *hidden] * len(models)
        shown = f'<div class="problem" role="alert">{html.escape(said)}</div>' if said else ""
        return [gradio.update(value=shown, visible=bool(said)), *blank]

    def classify(video: str | None) -> list[Any]:
        if video is None:
            return nothing("")
        updates = [gradio.update(value="", visible=False)]
        try:
            for model in models:
                classes, rows, picture, animation = model.look_at(video)
                updates.append(gradio.update(value=classes))
                updates += [gradio.update(value=file, visible=file is not None) for file in (animation, picture)]
                updates.append(gradio.update(value=rows, visible=True))
        except VideoDecodingError as error:
            return nothing(f"{Path(video).name} can't be read: {error.reason}. Try another video.")
        return updates

    return classify
