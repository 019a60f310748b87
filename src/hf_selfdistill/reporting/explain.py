"""Pictures of the evidence for the class that a model predicts."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from pathlib import Path

import torch
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.clips import TestingClips
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.reporting.filmstrip import Explanation, draw_filmstrip, write_gif
from hf_selfdistill.reporting.saliency import check_explainable, grad_cam
from hf_selfdistill.training.multi_clip import likeliest

__all__ = ["Explainer"]

SHOWN_SIZE = 160  # minimum of pixels of a frame's shorter side in the pictures
SHOWN_CLASSES = 5
MOST_NAME_BYTES = 240  # of a picture, without its suffix; file systems take 255


class Explainer:
    """Writes a filmstrip, `<video>.png`, and an animation, `<video>.gif`, of each video's most certain clip.

    Args:
        model: a C3D or R(2+1)D classifier.
        processor: the video processor of the model.
        clips: clips of all videos that will be explained; names of the pictures and the sampler come from here.
        columns: maximum number of frames in a filmstrip.
        side: minimum of pixels of a frame's shorter side in the pictures.

    Raises:
        ValueError: the model has no feature map over time and space.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: BaseVideoProcessor,
        clips: TestingClips,
        columns: int = 8,
        side: int = SHOWN_SIZE,
    ) -> None:
        check_explainable(model)
        self.model, self.processor, self.clips = model, processor, clips
        self.columns, self.side = columns, side
        paths = [Path(video["path"]) for video in clips.records["video"]]
        stems = Counter(path.stem for path in paths)
        self.names = {str(path): _picture_name(path, stems[path.stem] == 1) for path in paths}

    def write(self, video: str, logits: torch.Tensor, folder: Path) -> None:
        """Write the pictures of a video.

        Args:
            video: path of the video.
            logits: logits of its clips, `(K, classes)`.
            folder: folder of the pictures.

        Raises:
            OSError: a file can't be written.
        """
        explanation = self.explain(video, logits)
        name = folder / self.names[video]
        draw_filmstrip(explanation, self.columns).save(f"{name}.png")
        write_gif(explanation, Path(f"{name}.gif"))

    def explain(self, video: str, logits: torch.Tensor) -> Explanation:
        """Return the evidence for the video's class in the clip with the highest probability of that class.

        Raises:
            VideoDecodingError: the file can't be read.
        """
        scores = logits.mean(0).softmax(-1)
        index = int(scores.argmax())
        surest = int(logits.softmax(-1)[:, index].argmax())
        best = likeliest(scores, self.model.config.id2label, SHOWN_CLASSES)
        return self.explain_clip(video, surest, index, best, f"clip {surest + 1} of {len(logits)}")

    def explain_clip(
        self, video: str, number: int, index: int, scores: list[tuple[str, float]], clip: str
    ) -> Explanation:
        """Return the evidence for a class in one clip.

        Args:
            video: path of the video.
            number: index of the clip.
            index: index of the class.
            scores: the likeliest classes of the video and their probabilities, best first.
            clip: name of the clip in the picture.

        Raises:
            VideoDecodingError: the file can't be read.
        """
        clips = self.clips
        with VideoReader(video, max_seconds=clips.max_seconds, target_fps=clips.target_fps) as reader:
            positions = clips.sampler(reader.num_frames, reader.fps)[number]
            frames = reader.read(positions)
            times = [position % reader.num_frames / reader.fps for position in positions]
            duration = reader.num_frames / reader.fps
        pixels = clips.transform(frames)[None].to(self.model.device)
        return Explanation(
            frames=_as_seen(frames, self.processor, self.side),
            evidence=grad_cam(self.model, pixels, torch.tensor([index], device=pixels.device))[0].cpu(),
            times=times,
            duration=duration,
            label=self.model.config.id2label[index],
            scores=scores,
            clip=clip,
        )


def _as_seen(frames: torch.Tensor, processor: BaseVideoProcessor, side: int) -> torch.Tensor:
    """Crop frames `(T, C, H, W)`, uint8, as for the model, but large enough to look at."""
    factor = math.ceil(side / min(ClipProcessor.size_of(processor)))
    sizes = {
        name: {side: factor * value for side, value in processor.to_dict()[name].items() if value is not None}
        for name in ("size", "crop_size")
    }
    batch = processor(
        frames, do_sample_frames=False, do_rescale=False, do_normalize=False, return_tensors="pt", **sizes
    )
    return batch[processor.model_input_names[0]][0].clamp(0, 255).to(torch.uint8)


def _picture_name(path: Path, has_own_stem: bool) -> str:
    """Return the stem of a video's name, or its whole path, cut off and made unique where no file system takes it."""
    name = path.stem if has_own_stem else "-".join(part for part in path.parts if part != path.anchor)
    if len(name.encode()) <= MOST_NAME_BYTES:
        return name
    end = name.encode()[-MOST_NAME_BYTES + 9 :].decode(errors="ignore")
    return f"{hashlib.sha256(name.encode()).hexdigest()[:8]}-{end}"
