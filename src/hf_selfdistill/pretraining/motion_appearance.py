"""MAS and STS: where a clip moves most and where its colours change most, told from the clip alone."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Literal, Optional

import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from transformers import BaseVideoProcessor, PreTrainedModel

from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import random_clip
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.data.unlabelled import VideoViews
from hf_selfdistill.pretraining.appearance_labels import NUM_APPEARANCE_LABELS, appearance_labels
from hf_selfdistill.pretraining.augmentation import normalisation
from hf_selfdistill.pretraining.blocks import check_side
from hf_selfdistill.pretraining.flow_cache import FlowCache
from hf_selfdistill.pretraining.motion_labels import NUM_MOTION_LABELS, motion_labels
from hf_selfdistill.pretraining.objective import Objective, ObjectiveOutput, check_weights
from hf_selfdistill.pretraining.optical_flow import FLOW_METHODS, dense_flow, flow_algorithm
from hf_selfdistill.training.arguments import check_choice

__all__ = ["MotionAppearance", "MotionAppearanceArguments", "MotionAppearanceViews"]

_BLOCKS = slice(0, 12, 2)  # columns of both kinds of labels that number blocks


@dataclass
class MotionAppearanceArguments:
    """Arguments of `MotionAppearance`.

    Args:
        motion_weight: of the mean squared error of the motion labels in the loss.
        appearance_weight: of that of the appearance labels.
        flow: how optical flow is computed, and at what cost, see `dense_flow`. `"tvl1"` is the released code's; use it
            with a cache.
        flow_cache: folder where the flow of each video is kept, see `FlowCache`; None computes it anew for every
            clip. Videos that are not files of their own (streamed shards) are never kept.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    motion_weight: float = field(default=1.0, metadata={"help": "Weight of the motion labels in the loss."})
    appearance_weight: float = field(default=0.1, metadata={"help": "Weight of the appearance labels in the loss."})
    flow: Literal["dis", "tvl1"] = field(
        default="dis", metadata={"help": "How optical flow is computed; tvl1 is slow."}
    )
    flow_cache: Optional[str] = field(  # noqa: UP045 - HfArgumentParser's form
        default=None,
        metadata={"help": "A folder where the flow of each video file is kept, of shards none."},
    )

    def __post_init__(self) -> None:
        check_choice("flow", self.flow, FLOW_METHODS)
        check_weights(self, "motion_weight", "appearance_weight")


class MotionAppearance(Objective):
    """Regression of motion and appearance statistics of the clip (MAS, Wang et al., CVPR 2019; STS, PAMI 2021).

    The pooled feature predicts the 14 `motion_labels` and the 13 `appearance_labels` of its clip through one linear
    layer each; the loss is the weighted sum of the mean squared errors on the raw numbers, as in STS's released code.
    One difference is deliberate: that code feeds BGR in 0 … 255, we feed RGB normalised by the encoder's processor, so
    that fine-tuning sees the same clips.

    Metrics: `motion_mse` and `appearance_mse`, unweighted; `motion_block_accuracy` and `appearance_block_accuracy`,
    the share of the six block numbers that are right after rounding, of which a random guess gets
    (1/16 + 1/4 + 1/8) / 3 = 15 %. The same prediction for every clip can't have a smaller error than the labels'
    variance: 7.6 and 7.7 for motion on two sets of 60 real clips.
    """

    name = "motion_appearance"
    Arguments = MotionAppearanceArguments
    arguments: MotionAppearanceArguments

    def __init__(self, encoder: PreTrainedModel, arguments: MotionAppearanceArguments) -> None:
        super().__init__(encoder, arguments)
        self.motion_head = nn.Linear(self.feature_size, NUM_MOTION_LABELS)
        self.appearance_head = nn.Linear(self.feature_size, NUM_APPEARANCE_LABELS)

    def arguments_that_count(self) -> dict[str, Any]:
        """All but the folder for flow, which may have moved when a run is resumed."""
        return {name: value for name, value in super().arguments_that_count().items() if name != "flow_cache"}

    def views(self, processor: BaseVideoProcessor) -> MotionAppearanceViews:
        """A clip and its labels.

        Raises:
            ValueError: the model's frames can't be divided into blocks, or OpenCV is missing.
            OSError: the folder for flow can't be made.
        """
        return MotionAppearanceViews(processor, self.encoder.config.num_frames, self.arguments)

    def forward(self, pixel_values: Tensor, motion_labels: Tensor, appearance_labels: Tensor) -> ObjectiveOutput:
        """Loss and metrics of clips `(B, T, C, H, W)` with labels `(B, 14)` and `(B, 13)`."""
        features = self.features(pixel_values)
        motion, appearance = self.motion_head(features).float(), self.appearance_head(features).float()
        motion_mse = (motion - motion_labels).square().mean(1)  # (B,)
        appearance_mse = (appearance - appearance_labels).square().mean(1)
        weighted = self.arguments.motion_weight * motion_mse + self.arguments.appearance_weight * appearance_mse
        metrics = {
            "motion_mse": motion_mse.detach(),
            "appearance_mse": appearance_mse.detach(),
            "motion_block_accuracy": _block_accuracy(motion, motion_labels),
            "appearance_block_accuracy": _block_accuracy(appearance, appearance_labels),
        }
        return ObjectiveOutput(weighted.mean(), metrics)


class MotionAppearanceViews(VideoViews):
    """A clip at the processor's stride and its labels: `pixel_values`, `motion_labels`, `appearance_labels`.

    Frames are resized to 8/7 of the model's side in height and 171/112 in width, bilinearly without antialiasing; then
    clip and flow are cropped at one random place to the model's size, and mirrored together every other time. As in
    the released code, mirroring does not change the sign of u; if it did, the three orientations of u would turn by
    180° (label 1 ↔ 5, 2 ↔ 6, …) in mirrored clips.

    Each of a clip's T frames has the flow to the video's next frame, as in STS (MAS leaves out the last one's). Where
    a short video begins again, its last frame has the flow of the clip's frame before; a video of one frame is still.

    Args:
        processor: of the encoder.
        num_frames: T.
        arguments: of the objective.

    Raises:
        ValueError: the model's frames can't be divided into blocks, it takes single frames, or OpenCV is missing.
        OSError: the folder for flow can't be made.
    """

    def __init__(self, processor: BaseVideoProcessor, num_frames: int, arguments: MotionAppearanceArguments) -> None:
        if num_frames < 2:
            raise ValueError("the model takes single frames, in which nothing moves; give it num_frames of 2 or more")
        side = check_side(*ClipProcessor.size_of(processor))
        flow_algorithm(arguments.flow)  # fail now where it is missing
        self.method = arguments.flow
        self.cache = FlowCache(arguments.flow_cache, arguments.flow) if arguments.flow_cache is not None else None
        self.processor = processor
        self.span = num_frames + 1
        self.resize = v2.Resize((round(128 * side / 112), round(171 * side / 112)), antialias=False)
        self.crop = v2.Compose([v2.RandomCrop(side), v2.RandomHorizontalFlip()])
        self.normalise = v2.Compose([v2.ToDtype(torch.float32, scale=True), normalisation(processor)])

    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        """One clip of a video and its labels."""
        stride = ClipProcessor.stride_of(self.processor, reader.fps)
        window = random_clip(reader.num_frames, self.span, stride)[:-1]  # so that there is a frame after it
        wanted = sorted({*window, *(frame + 1 for frame in window)})
        rows = {frame: row for row, frame in enumerate(wanted)}
        frames = reader.read(wanted)
        flow = self._flow(reader, video, frames, rows, window)
        clip = frames[[rows[frame] for frame in window]]
        # As one clip of five channels, so that one draw serves both.
        both = self.crop(torch.cat([self.resize(clip), self.resize(flow)], 1))
        clip, flow = both.split((3, 2), 1)
        return {
            "pixel_values": self.normalise(clip),
            "motion_labels": torch.from_numpy(motion_labels(flow.numpy())),
            "appearance_labels": torch.from_numpy(appearance_labels(clip.numpy())),
        }

    def _flow(
        self, reader: VideoReader, video: str, frames: Tensor, rows: dict[int, int], window: list[int]
    ) -> Tensor:
        """Flow from each frame of the window to the next one of the video `(T, 2, *FLOW_SIZE)`."""
        last = reader.num_frames - 1  # only now, as reading may have found fewer frames
        sources: list[int] = []
        for frame in window:
            sources.append(frame if frame % (last + 1) < last else (sources or [frame])[-1])
        positions = [source % (last + 1) for source in sources]
        if self.cache is not None and max(positions) < last and os.path.isfile(video):
            return self.cache.read(reader, video, positions)
        pairs = [[rows[source + step] for source in sources] for step in (0, 1)]
        return dense_flow(frames[pairs[0]], frames[pairs[1]], self.method)


def _block_accuracy(predictions: Tensor, labels: Tensor) -> Tensor:
    return (predictions.detach().round() == labels)[:, _BLOCKS].float().mean(1)
