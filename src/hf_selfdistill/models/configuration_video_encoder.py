"""What the configurations of our video encoders share."""

from collections.abc import Sequence
from typing import Any, Literal

from transformers import PreTrainedConfig

__all__ = ["VideoEncoderConfig"]


class VideoEncoderConfig(PreTrainedConfig):
    """Base of `C3DConfig` and `R2Plus1DConfig`: the clip that the encoder is meant for, and the kind of labels.

    `problem_type` is set from the start: transformers would otherwise fill it in at the first labelled step, which
    makes a compiled model compile again.

    Args:
        num_channels: colour channels of a frame.
        num_frames: consecutive frames of a clip. Other lengths work too; samplers and pipelines take it from here.
        image_size: height and width of a clip in pixels. Other sizes work too.
        problem_type: `"single_label_classification"` (class indices, or class probabilities as mixup makes them),
            `"multi_label_classification"` or `"regression"`.
    """

    num_channels: int = 3
    num_frames: int = 16
    image_size: int = 112
    problem_type: Literal["regression", "single_label_classification", "multi_label_classification"] | None = (
        "single_label_classification"
    )

    @property
    def minimum_clip(self) -> tuple[int, int]:
        """The fewest frames and the shortest side in pixels that the encoder can take."""
        return 1, 1

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        min_frames, min_size = self.minimum_clip
        for name, minimum in (("num_channels", 1), ("num_frames", min_frames), ("image_size", min_size)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < minimum:
                raise ValueError(
                    f"{type(self).__name__}: {name}={value!r}, but an integer of at least {minimum} is needed"
                    " (each pooling or strided stage halves the clip)."
                )

    def _widths(self, name: str, values: Sequence[int], minimum: int = 1) -> list[int]:
        """`values` as a list, checked to be integers of at least `minimum`."""
        if isinstance(values, int | str) or any(not isinstance(v, int) or v < minimum for v in values) or not values:
            raise ValueError(
                f"{type(self).__name__}: {name}={values!r}, but a list of integers of at least {minimum} is needed."
            )
        return list(values)
