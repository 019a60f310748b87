"""Base of the configurations of our video encoders."""

from collections.abc import Sequence
from typing import Any, Literal

from transformers import PreTrainedConfig

__all__ = ["VideoEncoderConfig"]


# Far beyond any published network; a checkpoint of a stranger can't fill the memory.
MAX_LABELS = 100_000
MAX_LAYERS = 1000
MAX_WEIGHTS = 10**9
MAX_CLIP_VALUES = 2**28


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
        if not isinstance(self.id2label or {}, dict):
            raise ValueError(f"{type(self).__name__}: `id2label` is {self.id2label!r}; it must map indices to names")
        labels = kwargs.get("num_labels") or len(self.id2label or ())
        if labels > MAX_LABELS:  # before transformers names each label
            raise ValueError(f"{type(self).__name__}: `num_labels` is {labels}; at most {MAX_LABELS} are allowed")
        super().__post_init__(**kwargs)
        min_frames, min_size = self.minimum_clip
        for name, minimum in (("num_channels", 1), ("num_frames", min_frames), ("image_size", min_size)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < minimum:
                raise ValueError(
                    f"{type(self).__name__}: `{name}` is {value!r}; it must be an integer of at least {minimum}, as"
                    " each pooling or strided stage halves the clip"
                )
        values = self.num_channels * self.num_frames * self.image_size**2
        if values > MAX_CLIP_VALUES:
            raise ValueError(
                f"{type(self).__name__}: a clip of {self.num_frames} frames (`num_frames`) of {self.image_size} pixels"
                f" (`image_size`) and {self.num_channels} channels (`num_channels`) has {values} values; at most"
                f" {MAX_CLIP_VALUES} are allowed"
            )

    def _check_layers(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        """Check the number of layers and, roughly, the number of weights of stages with 3x3x3 convolutions."""
        layers, weights = sum(depths), sum(27 * depth * width**2 for width, depth in zip(widths, depths, strict=True))
        for what, value, most in (
            ("`depths` make {} layers", layers, MAX_LAYERS),
            ("`hidden_sizes` and `num_channels` make {} weights", weights, MAX_WEIGHTS),
        ):
            if value > most:
                raise ValueError(f"{type(self).__name__}: {what.format(value)}; at most {most} are allowed")

    def _widths(self, name: str, values: Sequence[int], minimum: int = 1) -> list[int]:
        """Return `values` as a list, checked to be integers of at least `minimum`."""
        sequence = isinstance(values, list | tuple) and bool(values)
        if not sequence or any(not isinstance(v, int) or v < minimum for v in values):
            raise ValueError(
                f"{type(self).__name__}: `{name}` is {values!r}; it must be a list of integers of at least {minimum}"
            )
        return list(values)
