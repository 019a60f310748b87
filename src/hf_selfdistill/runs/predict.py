"""Classification of video files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from hf_selfdistill.data.clips import UNREADABLE, TestingClips, collate_clips
from hf_selfdistill.data.decoding import VideoDecodingError
from hf_selfdistill.data.video_files import named_videos
from hf_selfdistill.models.loading import load_for_inference
from hf_selfdistill.runs.configs import PredictConfig
from hf_selfdistill.training.clips import clips_without_labels, set_sampling
from hf_selfdistill.training.multi_clip import likeliest, rows_of_videos

__all__ = ["Prediction", "predict", "predictions"]


@dataclass(frozen=True)
class Prediction:
    """The classes that a model gives a video.

    Args:
        video: path of the video.
        logits: `(K, classes)` of its clips; None if the video can't be read.
        classes: the most likely classes with their probabilities, best first.
        error: error of an unreadable video.
    """

    video: str
    logits: torch.Tensor | None
    classes: tuple[tuple[str, float], ...] = ()
    error: VideoDecodingError | None = None

    @property
    def scores(self) -> torch.Tensor:
        """Return the class probabilities `(classes,)`: the softmax of the mean logits of the clips."""
        assert self.logits is not None
        return self.logits.mean(0).softmax(-1)


def predict(config: PredictConfig) -> Iterator[Prediction]:
    """Classify videos one after the other; the prediction of an unreadable video has an `error`.

    With `explain` the pictures of a video are written before its prediction is returned.

    Raises:
        ValueError: no video is named, or the model is not a fine-tuned classifier or has no explanation.
        OSError: there is no such model.
    """
    records = named_videos(config.videos)
    model, processor = load_for_inference(config.model_name_or_path)
    set_sampling(processor, config)
    clips = clips_without_labels(records, model, processor, config.num_clips)
    found = predictions(clips, model, config.batch_size, config.num_workers, config.top_k)
    if config.explain is None:
        yield from found
        return
    from hf_selfdistill.reporting.explain import Explainer

    explainer, folder = Explainer(model, processor, clips), Path(config.explain)
    for prediction in found:
        if prediction.logits is not None:
            folder.mkdir(parents=True, exist_ok=True)
            explainer.write(prediction.video, prediction.logits, folder)
        yield prediction


def predictions(
    clips: TestingClips, model: PreTrainedModel, batch_size: int = 1, num_workers: int = 0, top_k: int = 5
) -> Iterator[Prediction]:
    """Classify the videos of a data set of clips, in their order.

    Raises:
        ValueError: the scores of a video are not finite.
    """
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    model.to(device)
    paths = [video["path"] for video in clips.records["video"]]
    index = 0
    for batch in DataLoader(clips, batch_size, num_workers=num_workers, collate_fn=collate_clips):
        labels = batch.pop("labels")
        with torch.inference_mode():
            logits = model(**{name: value.to(device) for name, value in batch.items()}).logits.flatten(1)
        for row, label in zip(rows_of_videos(logits.float().cpu(), labels), labels[:, 0], strict=True):
            if label == UNREADABLE:
                yield Prediction(paths[index], None, error=clips.why_unreadable(index))
            else:
                if not row.isfinite().all():
                    raise ValueError(
                        f"the scores of {paths[index]} are not finite: the model has diverged; take an earlier "
                        "checkpoint or train with a lower `learning_rate`"
                    )
                best = likeliest(row.mean(0).softmax(-1), model.config.id2label, top_k)
                yield Prediction(paths[index], row, tuple(best))
            index += 1
