"""From video files or decoded frames to the clips that C3D and R(2+1)D take."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from transformers import BaseVideoProcessor, BatchFeature
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, PILImageResampling
from transformers.video_utils import VideoMetadata

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import center_clip

__all__ = ["C3DVideoProcessor"]


class C3DVideoProcessor(BaseVideoProcessor):
    """Resizes the short side to 112 pixels, crops the central square, rescales to [0, 1] and normalises.

    These are the defaults of RSPNet, with ImageNet's mean and standard deviation; it serves `C3DModel` and
    `R2Plus1DModel`. Unlike transformers' other video processors it

    - returns `pixel_values` (B, T, C, H, W);
    - reads files with PyAV, display rotation applied;
    - samples `num_frames` consecutive frames from the centre of the video instead of spreading them over all of it, as
      these encoders are trained; a video that is shorter repeats cyclically. A `frame_stride`, or a rate `target_fps`,
      that a model was fine-tuned with is saved with it and used again.

    A video is a path, an http(s) address, or decoded frames (T, C, H, W), best as a uint8 tensor; a batch is a list of
    them. Frames that are sampled already need `do_sample_frames=False`.
    """

    resample = PILImageResampling.BILINEAR
    image_mean = IMAGENET_DEFAULT_MEAN
    image_std = IMAGENET_DEFAULT_STD
    size: ClassVar[dict[str, int]] = {"shortest_edge": 112}
    default_to_square = False
    crop_size: ClassVar[dict[str, int]] = {"height": 112, "width": 112}
    do_resize = True
    do_center_crop = True
    do_rescale = True
    rescale_factor = 1 / 255
    do_normalize = True
    do_convert_rgb = True
    do_sample_frames = True
    num_frames = 16
    frame_stride = 1
    target_fps: float | None = None  # not `fps`, which transformers' own processors refuse beside `num_frames`
    model_input_names: ClassVar[list[str]] = ["pixel_values"]

    def preprocess(self, videos: Any, **kwargs: Any) -> BatchFeature:
        """Makes clips of videos.

        Args:
            videos: a video or a list of videos, see the class.
            **kwargs: what the configuration of the processor holds, for this call only, and `return_tensors`.

        Returns:
            `pixel_values` (B, T, C, H, W), a list of clips without `return_tensors="pt"`.

        Raises:
            ValueError: there is no video.
            VideoDecodingError: a file can't be decoded.
        """
        if isinstance(videos, Path):
            videos = str(videos)
        elif isinstance(videos, list | tuple):
            videos = [str(video) if isinstance(video, Path) else video for video in videos]
            if not videos:
                raise ValueError("C3DVideoProcessor got an empty list of videos; give at least one.")
        batch = super().preprocess(videos, **kwargs)
        batch["pixel_values"] = batch.pop("pixel_values_videos")
        return batch

    def sample_frames(
        self, metadata: VideoMetadata, num_frames: int | None = None, fps: float | None = None, **kwargs: Any
    ) -> list[int]:
        """Indices of the clip at the centre of a video.

        Args:
            metadata: of the video: `total_num_frames`, and `fps` if clips are drawn at a rate of their own.
            num_frames: frames of the clip; the processor's when not given.
            fps: frames per second of the clip; the processor's when not given, and where that is None the video's own.
            **kwargs: ignored, the other settings of the processor.
        """
        fps = fps or self.target_fps
        stride = self.frame_stride * (1 if fps is None else metadata.fps / fps)
        return center_clip(metadata.total_num_frames, num_frames or self.num_frames, stride)

    def fetch_videos(
        self,
        video_url_or_urls: str | list[str],
        sample_indices_fn: Callable[..., list[int]] | None = None,
    ) -> Any:
        """Reads files or http(s) addresses; only the sampled frames are kept.

        Args:
            video_url_or_urls: one of them or a list.
            sample_indices_fn: from the `metadata` of a video to the frames to read; all frames when not given.

        Returns:
            Frames (T, C, H, W), uint8, and the metadata; for a list the sequence of each.

        Raises:
            VideoDecodingError: a file can't be decoded.
        """
        if isinstance(video_url_or_urls, str):
            return _read(video_url_or_urls, sample_indices_fn)
        return tuple(zip(*[_read(video, sample_indices_fn) for video in video_url_or_urls], strict=True))


def _read(video: str, sample_indices_fn: Callable[..., list[int]] | None) -> tuple[Tensor, VideoMetadata]:
    source: str | io.BytesIO = video
    if video.startswith(("http://", "https://")):
        with urllib.request.urlopen(video) as response:
            source = io.BytesIO(response.read())
    with VideoReader(source) as reader:
        metadata = VideoMetadata(total_num_frames=reader.num_frames, fps=reader.fps, video_backend="pyav")
        if sample_indices_fn is None:
            metadata.frames_indices = list(range(reader.num_frames))
        else:
            metadata.frames_indices = sample_indices_fn(metadata=metadata)
        return reader.read(metadata.frames_indices), metadata
