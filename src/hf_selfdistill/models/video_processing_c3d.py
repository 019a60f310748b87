"""Video processor of C3D and R(2+1)D: clips from video files or decoded frames."""

from __future__ import annotations

import io
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from transformers import BaseVideoProcessor, BatchFeature
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, PILImageResampling
from transformers.video_utils import VideoMetadata

from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader
from hf_selfdistill.data.sampling import center_clip

__all__ = ["C3DVideoProcessor"]

DOWNLOAD_BYTES = 2**30
DOWNLOAD_SECONDS = 600.0
SILENT_SECONDS = 30.0  # without an answer from the server


class C3DVideoProcessor(BaseVideoProcessor):
    """Video processor of `C3DModel` and `R2Plus1DModel`, with the defaults of RSPNet.

    The short side is resized to 112 pixels, the central square is cropped, and pixels are rescaled to [0, 1] and
    normalised with ImageNet's mean and standard deviation. In contrast to transformers' other video processors, this
    processor

    - returns `pixel_values` (B, T, C, H, W);
    - reads files with PyAV and applies the display rotation;
    - samples `num_frames` consecutive frames from the centre of the video, as in the training of these encoders,
      instead of spreading the frames over the whole video. A shorter video repeats cyclically. The `frame_stride` or
      the rate `target_fps` of a fine-tuning is saved with the model and used again.

    Pre-training and fine-tuning resize with or without `antialias`, as the processor does. The encoders of RSPNet,
    Pace and torchvision were trained without. A processor that was saved without this setting has it on.

    A video is a path, an http(s) address, or decoded frames (T, C, H, W), best as a uint8 tensor. A batch is a list of
    videos. Sampled frames need `do_sample_frames=False`.
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
    target_fps: float | None = None  # not named `fps`: transformers refuses `fps` together with `num_frames`
    model_input_names: ClassVar[list[str]] = ["pixel_values"]

    def __init__(self, antialias: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.antialias = antialias  # an attribute of the object, so that it is always saved

    def resize(self, image: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Resize frames as transformers does, with or without antialiasing."""
        return super().resize(image, *args, **{"antialias": self.antialias, **kwargs})

    def preprocess(self, videos: Any, **kwargs: Any) -> BatchFeature:
        """Convert videos to clips.

        Args:
            videos: a video or a list of videos, see the class.
            **kwargs: settings of the processor for this call only, and `return_tensors`.

        Returns:
            `pixel_values` (B, T, C, H, W) with `return_tensors="pt"`, otherwise a list of clips.

        Raises:
            ValueError: the list is empty, or clips have a given frame rate and decoded frames no `video_metadata`.
            VideoDecodingError: a file can't be decoded.
        """
        if isinstance(videos, Path):
            videos = str(videos)
        elif isinstance(videos, list | tuple):
            videos = [str(video) if isinstance(video, Path) else video for video in videos]
            if not videos:
                raise ValueError("`videos` is an empty list; give at least one video")
        batch = super().preprocess(videos, **kwargs)
        batch["pixel_values"] = batch.pop("pixel_values_videos")
        return batch

    def sample_frames(
        self, metadata: VideoMetadata, num_frames: int | None = None, fps: float | None = None, **kwargs: Any
    ) -> list[int]:
        """Return the frame indices of the clip at the centre of a video.

        Args:
            metadata: metadata of the video: `total_num_frames`, and `fps` if the clip has a given frame rate.
            num_frames: number of frames of the clip; None is the processor's `num_frames`.
            fps: frames per second of the clip; None is the processor's `target_fps`, and if that is None too, the
                frame rate of the video.
            **kwargs: other settings of the processor, ignored.

        Raises:
            ValueError: the clip has a given frame rate, and `metadata` has no `fps`.
        """
        fps = fps or self.target_fps
        if fps is not None and metadata.fps is None:
            raise ValueError(
                f"clips are drawn at {fps:g} fps, but decoded frames have no rate of their own; give "
                "`video_metadata`, such as {'total_num_frames': 40, 'fps': 25.0}, or sampled frames and "
                "`do_sample_frames` false"
            )
        stride = self.frame_stride * (1 if fps is None else metadata.fps / fps)
        return center_clip(metadata.total_num_frames, num_frames or self.num_frames, stride)

    def fetch_videos(
        self,
        video_url_or_urls: str | list[str],
        sample_indices_fn: Callable[..., list[int]] | None = None,
    ) -> Any:
        """Read the sampled frames of files or http(s) addresses.

        Args:
            video_url_or_urls: path, http(s) address, or a list of paths and addresses.
            sample_indices_fn: function from the `metadata` of a video to the indices of the frames; None reads all
                frames.

        Returns:
            Frames (T, C, H, W), uint8, and metadata; for a list, a sequence of frames and a sequence of metadata.

        Raises:
            VideoDecodingError: a file can't be decoded, or can't be downloaded within 1 GiB and 10 minutes.
        """
        given = sample_indices_fn.keywords.get("fps") if isinstance(sample_indices_fn, partial) else None
        target_fps = None if sample_indices_fn is None else given or self.target_fps
        if isinstance(video_url_or_urls, str):
            return _read(video_url_or_urls, sample_indices_fn, target_fps)
        return tuple(zip(*[_read(video, sample_indices_fn, target_fps) for video in video_url_or_urls], strict=True))


def _read(
    video: str, sample_indices_fn: Callable[..., list[int]] | None, target_fps: float | None
) -> tuple[Tensor, VideoMetadata]:
    source: str | io.BytesIO = video
    if video.startswith(("http://", "https://")):
        source = _download(video)
    with VideoReader(source, target_fps=target_fps) as reader:
        metadata = VideoMetadata(total_num_frames=reader.num_frames, fps=reader.fps, video_backend="pyav")
        if sample_indices_fn is None:
            metadata.frames_indices = list(range(reader.num_frames))
        else:
            metadata.frames_indices = sample_indices_fn(metadata=metadata)
        return reader.read(metadata.frames_indices), metadata


def _download(address: str) -> io.BytesIO:
    content, end = io.BytesIO(), time.monotonic() + DOWNLOAD_SECONDS
    try:
        with urllib.request.urlopen(address, timeout=SILENT_SECONDS) as response:
            while part := response.read1(2**20):
                content.write(part)
                if content.tell() > DOWNLOAD_BYTES:
                    raise VideoDecodingError(address, f"it is larger than {DOWNLOAD_BYTES} bytes; download it first")
                if time.monotonic() > end:
                    raise VideoDecodingError(address, f"its download takes more than {DOWNLOAD_SECONDS:g} seconds")
    except OSError as error:
        raise VideoDecodingError(address, f"it can't be downloaded ({error})") from None
    content.seek(0)
    return content
