"""A page in the browser: drop a video, see what one model, or two side by side, take it for, and where."""

from __future__ import annotations

import html
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from hf_selfdistill.cli.parser import CommandParser, start_logging, user_errors
from hf_selfdistill.commands.datasets import SamplingArguments
from hf_selfdistill.commands.predict import Prediction, predict, prediction_clips
from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.data.moving_shapes import MOTIONS, write_moving_shapes
from hf_selfdistill.data.video_files import named_videos
from hf_selfdistill.models.loading import load_for_inference
from hf_selfdistill.models.modeling_video_encoder import VideoEncoderForVideoClassification
from hf_selfdistill.reporting.explain import Explainer
from hf_selfdistill.training.multi_clip import likeliest

if TYPE_CHECKING:
    import gradio

__all__ = ["AppArguments", "Classifier", "build_page", "example_videos", "main"]

logger = logging.getLogger(__name__)

TITLE = "What is in this video?"
EXAMPLES_SHOWN = 6


@dataclass
class AppArguments:
    """Page."""

    model_name_or_path: str = field(metadata={"help": "A fine-tuned model: a folder, or a name on the Hub."})
    compare_with: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None, metadata={"help": "A second model to stand beside it, such as the one with λ = 0."}
    )
    num_clips: int = field(default=10, metadata={"help": "Evenly spaced clips per video, their logits averaged."})
    examples: Optional[str] = field(  # noqa: UP045
        default=None, metadata={"help": "Folder of videos to choose from; by default moving shapes, if it knows them."}
    )
    server_name: str = field(default="127.0.0.1", metadata={"help": "Address to listen at; 0.0.0.0 is all."})
    server_port: int = field(default=7860, metadata={"help": "Port to listen at."})

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.num_clips < 1:
            raise ValueError(f"--num_clips is {self.num_clips}; it must be at least 1")


class Classifier:
    """One of the models of the page.

    Args:
        name: a folder, or a name on the Hub.
        sampling: of frames.
        num_clips: per video.
        folder: where pictures go.

    Raises:
        ValueError: it is not a fine-tuned classifier.
        OSError: there is no such model.
    """

    def __init__(self, name: str, sampling: SamplingArguments, num_clips: int, folder: Path) -> None:
        self.name, self.sampling, self.num_clips, self.folder = name, sampling, num_clips, folder
        self.model, self.processor = load_for_inference(name)
        self.explainable = isinstance(self.model, VideoEncoderForVideoClassification)

    def look_at(self, video: str) -> tuple[dict[str, float], list[list[str]], str | None, str | None]:
        """Probabilities by class, a row per clip (number, seconds, class, probability), filmstrip and GIF.

        Raises:
            VideoDecodingError: the file can't be read.
        """
        clips = prediction_clips(named_videos([video]), self.model, self.processor, self.sampling, self.num_clips)
        (prediction,) = predict(clips, self.model)
        if prediction.error is not None:
            raise prediction.error
        classes = dict(likeliest(prediction.scores, self.model.config.id2label, 5))
        with VideoReader(video) as reader:
            indices = clips.sampler(reader.num_frames, reader.fps)
            spans = [f"{clip[0] / reader.fps:.2f} – {clip[-1] / reader.fps:.2f}" for clip in indices]
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


def main(argv: Sequence[str] | None = None) -> None:
    """The command behind `scripts/app.py`."""
    parser = CommandParser(AppArguments, SamplingArguments, description="A page in the browser to try a model on.")
    with user_errors():
        args, sampling = parser.parse(argv)
        start_logging()
        logging.getLogger("httpx").setLevel(logging.WARNING)  # of the page's requests to itself
        if find_spec("gradio") is None:
            raise ValueError('the page needs Gradio: pip install "hf_selfdistill[app]"')
        with tempfile.TemporaryDirectory() as folder:
            names = [args.model_name_or_path, *([args.compare_with] if args.compare_with else [])]
            models = [Classifier(name, sampling, args.num_clips, Path(folder)) for name in names]
            examples = example_videos(models[0], args.examples, Path(folder))
            page = build_page(models, examples)
            launch(page, args.server_name, args.server_port, Path(folder), args.examples)
            page.block_thread()


def launch(page: gradio.Blocks, server_name: str, server_port: int | None, folder: Path, examples: str | None) -> None:
    """Serve a page and say where; fonts of the system, so that nothing is fetched from elsewhere.

    Raises:
        ValueError: something else listens at the port.
    """
    import gradio

    try:
        page.launch(
            server_name=server_name,
            server_port=server_port,
            allowed_paths=[str(folder), *([examples] if examples else [])],
            theme=gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
            css=STYLE,
            footer_links=[],
            prevent_thread_lock=True,
            quiet=True,
        )
    except OSError as error:
        if "empty port" not in str(error):
            raise
        raise ValueError(f"port {server_port} is taken; give another by --server_port") from error
    logger.info("The page is at %s until it is interrupted (Ctrl-C)", page.local_url)


def example_videos(classifier: Classifier, folder: str | None, scratch: Path) -> list[str]:
    """Videos to choose from: the first of a folder, or, for a model that knows them, moving shapes written now.

    Raises:
        ValueError: the folder holds no video.
    """
    known = tuple(motion for motion in MOTIONS if motion in classifier.model.config.label2id)
    if folder is not None:
        found = [video["path"] for video in named_videos([folder])["video"]]
        return found[:: max(1, len(found) // EXAMPLES_SHOWN)][:EXAMPLES_SHOWN]
    if not known:
        return []
    write_moving_shapes(scratch / "examples", known[:EXAMPLES_SHOWN], videos_per_class=8, seed=1)
    # MP4 is what browsers play; one of each motion where there is one.
    of_motion = [sorted((scratch / "examples" / motion).glob("*.mp4")) for motion in known[:EXAMPLES_SHOWN]]
    return [str(videos[0]) for videos in of_motion if videos]


STYLE = ".problem {color: #9b1c1c; background: #fdecec; padding: 0.6em 1em; border-radius: 6px}"


def build_page(models: Sequence[Classifier], examples: Sequence[str] = ()) -> gradio.Blocks:
    """The page, which classifies as soon as there is a video; on a narrow screen models stand one below another."""
    import gradio

    with gradio.Blocks(title=TITLE, analytics_enabled=False) as page:
        gradio.Markdown(f"# {TITLE}\n{_introduction(models)}")
        with gradio.Row():
            with gradio.Column(min_width=280):
                video = gradio.Video(label="video", sources=["upload"], height=260, elem_id="video")
            with gradio.Column(min_width=280):
                if examples:
                    gradio.Examples([[example] for example in examples], [video], label="or choose an example")
        problem = gradio.HTML(visible=False, elem_id="problem")
        with gradio.Row():
            answers = [_answer(model, number) for number, model in enumerate(models)]
        outputs = [problem, *(part for answer in answers for part in answer)]
        video.change(_classify(models), [video], outputs, show_progress="minimal")
    return page


def _introduction(models: Sequence[Classifier]) -> str:
    clips = models[0].num_clips
    text = f"{clips} clips, spread evenly over the video, are classified and averaged."
    if any(model.explainable for model in models):
        text += " Colour shows what spoke for the class in the clip that is surest of it."
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
