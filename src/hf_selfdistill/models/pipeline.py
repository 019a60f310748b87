"""Pipeline for video classification that averages several clips of a video, as the paper does."""

from __future__ import annotations

from typing import Any

from transformers import BatchFeature, VideoClassificationPipeline
from transformers.modeling_outputs import ImageClassifierOutput

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import ClipSampler
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.models.frames import frames_per_clip

__all__ = ["MultiClipPipeline"]


class MultiClipPipeline(VideoClassificationPipeline):
    """Transformers' pipeline that averages the logits of `num_clips` evenly spaced clips, by default 10.

    The pipeline works with any video classifier that has a video processor:
    `pipeline("video-classification", "OUT", pipeline_class=MultiClipPipeline, num_clips=10)`. A video is the path of a
    file. `num_frames` is the length of a clip, by default the model's. `frame_sampling_rate` n takes every n-th frame,
    by default as in training.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.feature_extractor = self.video_processor  # `batch_size` above 1 needs one of a known kind

    def _sanitize_parameters(self, num_clips: int | None = None, **kwargs: Any) -> tuple[dict[str, Any], ...]:
        if num_clips is not None and num_clips < 1:
            raise ValueError(f"`num_clips` is {num_clips}; it must be at least 1")
        preprocess, forward, postprocess = super()._sanitize_parameters(**kwargs)
        return {**preprocess, **({} if num_clips is None else {"num_clips": num_clips})}, forward, postprocess

    def preprocess(
        self, video: str, num_frames: int | None = None, frame_sampling_rate: int | None = None, num_clips: int = 10
    ) -> BatchFeature:
        """Return the clips of a video, `(1, K, T, C, H, W)`, under the name of the model's input.

        Args:
            video: path of the file.
            num_frames: number of frames of a clip; None is the model's.
            frame_sampling_rate: n, to take every n-th frame; None samples as in training.
            num_clips: number of clips, K.

        Raises:
            VideoDecodingError: the file can't be read.
        """
        rate = (frame_sampling_rate, None) if frame_sampling_rate else ClipProcessor.sampling_of(self.video_processor)
        sampler = ClipSampler(num_clips, num_frames or frames_per_clip(self.model.config), *rate)
        with VideoReader(video, target_fps=rate[1]) as reader:
            indices = sampler(reader.num_frames, reader.fps)
            process = ClipProcessor(self.video_processor)
            clips = reader.read([frame for clip in indices for frame in clip], process).unflatten(0, (num_clips, -1))
        return BatchFeature({self.model.main_input_name: clips[None].to(self.dtype)})

    def _forward(self, model_inputs: BatchFeature) -> ImageClassifierOutput:
        name = self.model.main_input_name
        clips = model_inputs[name]
        logits = self.model(**{name: clips.flatten(0, 1)}).logits
        return ImageClassifierOutput(logits=logits.view(*clips.shape[:2], -1))  # (B, K, classes)

    def postprocess(self, model_outputs: ImageClassifierOutput, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the most probable classes by the mean logits of the clips.

        Args:
            model_outputs: logits of the clips, `(B, K, classes)`.
            **kwargs: further arguments of transformers' pipeline, such as `top_k`.
        """
        averaged = ImageClassifierOutput(logits=model_outputs["logits"].float().mean(1))
        return super().postprocess(averaged, **kwargs)
