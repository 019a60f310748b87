"""Arguments of the objectives. Nothing heavy is imported here: `--help` loads this module."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from hf_selfdistill.training.arguments import check_choice, check_fraction, check_positive

__all__ = [
    "OBJECTIVE_ARGUMENTS",
    "MotionAppearanceArguments",
    "PaceArguments",
    "RSPNetArguments",
    "SpaceTimeCubesArguments",
]


def check_weights(arguments: Any, *names: str) -> None:
    """Check the weights of the terms of a loss.

    Args:
        arguments: the arguments of an objective.
        names: names of the weights among the arguments.

    Raises:
        ValueError: a weight is negative or not finite, or all weights are 0.
    """
    weights = {name: getattr(arguments, name) for name in names}
    for name, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise ValueError(f"`{name}` is {weight}; it must be finite and not negative")
    if not any(weights.values()):
        raise ValueError(f"`{'` and `'.join(names)}` are 0, so there is no loss; set one above 0")


@dataclass
class RSPNetArguments:
    """RSPNet; the defaults are the released code's."""

    embedding_size: int = field(default=128, metadata={"help": "Dimension of both heads' outputs."})
    queue_size: int = field(
        default=16384, metadata={"help": "Number of negatives; it is cut to a multiple of the videos per step."}
    )
    key_momentum: float = field(default=0.999, metadata={"help": "Momentum of the key encoder per optimiser step."})
    temperature: float = field(default=0.07, metadata={"help": "Temperature τ of all similarities."})
    ranking_margin: float = field(default=2.0, metadata={"help": "Margin γ between similarities divided by τ."})
    appearance_weight: float = field(default=1.0, metadata={"help": "Weight of instance discrimination."})
    speed_weight: float = field(default=1.0, metadata={"help": "Weight of relative speed perception."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_positive("embedding_size", self.embedding_size)
        check_positive("queue_size", self.queue_size)
        check_fraction("key_momentum", self.key_momentum)
        check_positive("temperature", self.temperature)
        if not isfinite(self.ranking_margin):
            raise ValueError(f"`ranking_margin` is {self.ranking_margin}; it must be finite")
        check_weights(self, "appearance_weight", "speed_weight")


@dataclass
class PaceArguments:
    """Pace prediction; the defaults are the released code's, classification alone."""

    max_pace: int = field(
        default=4, metadata={"help": "Largest pace: clips have every frame of the video up to every n-th frame."}
    )
    color_jitter: Literal["frame", "clip", "none"] = field(
        default="frame",
        metadata={"help": "Draw colours per frame, as released, or per clip, which is easier with few videos:"},
    )
    contrastive_weight: float = field(
        default=0.0, metadata={"help": "Weight of the contrastive term (0.1 in the paper)."}
    )
    contrastive_positives: Literal["context", "pace"] = field(
        default="context", metadata={"help": "Positives are clips of the same video, or of the same pace:"}
    )
    embedding_size: int = field(default=128, metadata={"help": "Dimension of the contrastive embeddings."})
    temperature: float = field(default=0.1, metadata={"help": "τ of the contrastive term."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_choice("color_jitter", self.color_jitter, ("frame", "clip", "none"))
        check_choice("contrastive_positives", self.contrastive_positives, ("context", "pace"))
        if self.max_pace < 2:
            raise ValueError(f"`max_pace` is {self.max_pace}; it must be at least 2")
        if not self.contrastive_weight >= 0:
            raise ValueError(f"`contrastive_weight` is {self.contrastive_weight}; it must not be negative")
        check_positive("embedding_size", self.embedding_size)
        check_positive("temperature", self.temperature)


@dataclass
class SpaceTimeCubesArguments:
    """Space-time cubic puzzles."""

    frames_per_cell: int | None = field(
        default=None, metadata={"help": "Frames of one of the 4 slots in time; by default twice the clip's."}
    )
    crop_share: float = field(default=80 / 112, metadata={"help": "Side of the random crop over the side of a cell."})
    replicate_channel: float = field(
        default=1.0, metadata={"help": "Probability that one colour channel replaces all three."}
    )
    rotation: bool = field(default=False, metadata={"help": "Turn half of the puzzles by 180° and predict which."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_positive("frames_per_cell", self.frames_per_cell)
        check_fraction("crop_share", self.crop_share)
        check_fraction("replicate_channel", self.replicate_channel)


@dataclass
class MotionAppearanceArguments:
    """Motion and appearance statistics.

    Args:
        motion_weight: weight of the mean squared error of the motion labels in the loss.
        appearance_weight: weight of the mean squared error of the appearance labels in the loss.
        flow: method of optical flow; `dense_flow` gives the costs. `"tvl1"` is the released code's; use it with a
            cache.
        flow_cache: folder that caches the flow of each video file, see `FlowCache`; None computes the flow of every
            clip again. The flow of streamed videos is never cached.

    Raises:
        ValueError: an argument has a value that is not allowed.
    """

    motion_weight: float = field(default=1.0, metadata={"help": "Weight of the motion labels in the loss."})
    appearance_weight: float = field(default=0.1, metadata={"help": "Weight of the appearance labels in the loss."})
    flow: Literal["dis", "tvl1"] = field(default="dis", metadata={"help": "Method of optical flow; tvl1 is slow."})
    flow_cache: str | None = field(
        default=None, metadata={"help": "Folder that caches the flow of video files; flow of shards is never cached."}
    )

    def __post_init__(self) -> None:
        """Check the choices and ranges."""
        check_choice("flow", self.flow, ("dis", "tvl1"))
        check_weights(self, "motion_weight", "appearance_weight")


OBJECTIVE_ARGUMENTS: dict[str, type[Any]] = {
    "rspnet": RSPNetArguments,
    "pace": PaceArguments,
    "space_time_cubes": SpaceTimeCubesArguments,
    "motion_appearance": MotionAppearanceArguments,
}
