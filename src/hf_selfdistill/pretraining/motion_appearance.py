"""Motion and appearance statistics of clips (MAS, STS)."""

from __future__ import annotations

import os
from typing import Any

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
from hf_selfdistill.pretraining.objective import Objective, ObjectiveOutput
from hf_selfdistill.pretraining.objective_arguments import MotionAppearanceArguments
from hf_selfdistill.pretraining.optical_flow import dense_flow, flow_algorithm

__all__ = ["MotionAppearance", "MotionAppearanceViews"]

_BLOCKS = slice(0, 12, 2)  # columns of both kinds of labels that are block numbers


class MotionAppearance(Objective):
    """Regression of a clip's motion and appearance statistics (MAS, Wang et al., CVPR 2019; STS, PAMI 2021).

    One linear layer predicts the 14 `motion_labels` of a clip from its pooled features, another one the 13
    `appearance_labels`. The loss is the weighted sum of the mean squared errors on the raw numbers, as in STS's
    released code. One difference is deliberate: the released code feeds BGR in 0 … 255; our clips are RGB, normalised
    as for fine-tuning.

    Metrics: `motion_mse` and `appearance_mse` are unweighted. `motion_block_accuracy` and `appearance_block_accuracy`
    are the share of the six block numbers that are right after rounding; a random guess has (1/16 + 1/4 + 1/8) / 3 =
    15 %. A constant prediction has at least the variance of the labels as its error: 7.6 and 7.7 for motion on two
    sets of 60 real clips.
    """

    name = "motion_appearance"
    Arguments = MotionAppearanceArguments
    arguments: MotionAppearanceArguments

    def __init__(self, encoder: PreTrainedModel, arguments: MotionAppearanceArguments) -> None:
        super().__init__(encoder, arguments)
        self.motion_head = nn.Linear(self.feature_size, NUM_MOTION_LABELS)
        self.appearance_head = nn.Linear(self.feature_size, NUM_APPEARANCE_LABELS)

    def arguments_that_count(self) -> dict[str, Any]:
        """Return the arguments without `flow_cache`: the folder can differ in a resumed run."""
        return {name: value for name, value in super().arguments_that_count().items() if name != "flow_cache"}

    def views(self, processor: BaseVideoProcessor) -> MotionAppearanceViews:
        """Return views of a clip and its labels."""
        return MotionAppearanceViews(processor, self.encoder.config.num_frames, self.arguments)

    def forward(self, pixel_values: Tensor, motion_labels: Tensor, appearance_labels: Tensor) -> ObjectiveOutput:
        """Return the loss and the metrics for clips `(B, T, C, H, W)` and labels `(B, 14)` and `(B, 13)`."""
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

    Frames are resized to 8/7 of the model's side in height and 171/112 in width, as the processor resizes. Clip and
    flow then share a random crop of the model's size and a random flip. As in the released code, mirroring does
    not change the sign of u. If it did, the three orientations of u would turn by 180° (label 1 ↔ 5, 2 ↔ 6, …) in
    mirrored clips.

    Each of a clip's T frames has the flow to the video's next frame, as in STS (MAS omits the last frame's flow).
    Where a short video is repeated, its last frame has the flow of the frame before. A video of one frame has no
    motion.

    Args:
        processor: video processor of the encoder.
        num_frames: number of frames T of a clip.
        arguments: arguments of the objective.

    Raises:
        ValueError: the model's frames can't be divided into blocks, it takes single frames, or OpenCV is missing.
        OSError: the folder `flow_cache` can't be created.
    """

    def __init__(self, processor: BaseVideoProcessor, num_frames: int, arguments: MotionAppearanceArguments) -> None:
        if num_frames < 2:
            raise ValueError(f"the model's `num_frames` is {num_frames}; motion labels need at least 2 frames")
        side = check_side(*ClipProcessor.size_of(processor))
        flow_algorithm(arguments.flow)  # fail early if OpenCV is missing
        self.method = arguments.flow
        self.cache = FlowCache(arguments.flow_cache, arguments.flow) if arguments.flow_cache is not None else None
        self.processor = processor
        self.span = num_frames + 1
        size = round(128 * side / 112), round(171 * side / 112)
        self.resize = v2.Resize(size, antialias=ClipProcessor.antialias_of(processor))
        self.crop = v2.Compose([v2.RandomCrop(side), v2.RandomHorizontalFlip()])
        self.normalise = v2.Compose([v2.ToDtype(torch.float32, scale=True), normalisation(processor)])

    def __call__(self, reader: VideoReader, video: str) -> dict[str, Tensor]:
        """Return a random clip of a video and its labels."""
        stride = ClipProcessor.stride_of(self.processor, reader.fps)
        window = random_clip(reader.num_frames, self.span, stride)[:-1]  # leaves a frame for the last flow
        wanted = sorted({*window, *(frame + 1 for frame in window)})
        rows = {frame: row for row, frame in enumerate(wanted)}
        frames = reader.read(wanted)
        flow = self._flow(reader, video, frames, rows, window)
        clip = frames[[rows[frame] for frame in window]]
        # One clip of five channels, so that clip and flow share one draw.
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
        """Return the flow from each frame of the window to the video's next frame `(T, 2, *FLOW_SIZE)`."""
        last = reader.num_frames - 1  # read after `reader.read`, which can lower the number of frames
        sources: list[int] = []
        for frame in window:
            sources.append(frame if frame % (last + 1) < last else (sources or [frame])[-1])
        positions = [source % (last + 1) for source in sources]
        if self.cache is not None and max(positions) < last and os.path.isfile(video):
            return self.cache.read(reader, video, positions, reader.fps if reader.by_time else None)
        pairs = [[rows[source + step] for source in sources] for step in (0, 1)]
        return dense_flow(frames[pairs[0]], frames[pairs[1]], self.method)


def _block_accuracy(predictions: Tensor, labels: Tensor) -> Tensor:
    return (predictions.detach().round() == labels)[:, _BLOCKS].float().mean(1)
