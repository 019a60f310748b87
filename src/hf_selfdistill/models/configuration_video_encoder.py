"""Base of the configurations of our video encoders."""

from collections.abc import Sequence
from typing import Any, Literal

from transformers import PreTrainedConfig

__all__ = ["VideoEncoderConfig"]


class VideoEncoderConfig(PreTrainedConfig):
    """Base of `C3DConfig` and `R2Plus1DConfig`: the size of a clip, and the kind of labels.

    `problem_type` is set from the start. Otherwise transformers would set it at the first step with labels, and a
    compiled model would be compiled again.

    Args:
        num_channels: number of colour channels of a frame.
        num_frames: number of consecutive frames of a clip, the default of samplers and pipelines. The encoder takes
            other lengths too.
        image_size: height and width of a clip in pixels. The encoder takes other sizes too.
        problem_type: kind of labels: `"single_label_classification"` (class indices, or class probabilities as from
            mixup), `"multi_label_classification"` or `"regression"`.
    """

    num_channels: int = 3
    num_frames: int = 16
    image_size: int = 112
    problem_type: Literal["regression", "single_label_classification", "multi_label_classification"] | None = (
        "single_label_classification"
    )

    @property
    def minimum_clip(self) -> tuple[int, int]:
        """Smallest number of frames and shortest side in pixels that the encoder takes."""
        return 1, 1

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        min_frames, min_size = self.minimum_clip
        for name, minimum in (("num_channels", 1), ("num_frames", min_frames), ("image_size", min_size)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < minimum:
                raise ValueError(
                    f"{type(self).__name__}: `{name}` is {value!r}; it must be an integer of at least {minimum}, as"
                    " each pooling or strided stage halves the clip"
                )

    def _widths(self, name: str, values: Sequence[int], minimum: int = 1) -> list[int]:
        """Return `values` as a list, checked to be integers of at least `minimum`."""
        if isinstance(values, int | str) or any(not isinstance(v, int) or v < minimum for v in values) or not values:
            raise ValueError(
                f"{type(self).__name__}: `{name}` is {values!r}; it must be a list of integers of at least {minimum}"
            )
        return list(values)
