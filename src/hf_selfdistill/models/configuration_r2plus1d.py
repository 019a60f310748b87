"""Configuration of R(2+1)D."""

from typing import Any

from .configuration_video_encoder import VideoEncoderConfig

__all__ = ["R2Plus1DConfig"]

MAX_STEM = 10_000  # width


class R2Plus1DConfig(VideoEncoderConfig):
    """Configuration of an `R2Plus1DModel`.

    The defaults are the encoder of VCOP, Pace and RSPNet that Zhou et al. (arXiv 2205.00506) fine-tune: one residual
    block per stage, 14,365,303 parameters. The R(2+1)D-18 of torchvision is different:
    `depths=[2, 2, 2, 2], mid_sizes="per_block", stem_mid_size=45, shortcut="plain"`.

    Args:
        hidden_sizes: width of the stem and of each stage, each at least 2; the last width is that of the features.
        depths: number of residual blocks of each stage.
        mid_sizes: rule for the width between the spatial and the temporal half of a factored convolution. The rule of
            Tran et al. (arXiv 1711.11248, section 3.5) applies to each convolution (`"per_conv"`), or to the first
            convolution of a block and is repeated in the second (`"per_block"`).
        stem_mid_size: width between the halves of the stem; None follows the rule of Tran et al. (83 for 3 to 64).
        shortcut: convolution of the shortcut around a block that changes the size, `"factored"` or `"plain"`.
        num_channels: number of colour channels of a frame.
        num_frames: number of frames of a clip.
        image_size: side of a clip in pixels.
        problem_type: kind of labels, see `VideoEncoderConfig`.

    Raises:
        ValueError: a size is not a positive integer, `hidden_sizes` and `depths` do not match in length, a choice is
            unknown, or the number of labels, layers, weights or values of a clip exceeds a limit.
    """

    model_type = "r2plus1d"

    hidden_sizes: list[int] | tuple[int, ...] = (64, 64, 128, 256, 512)
    depths: list[int] | tuple[int, ...] = (1, 1, 1, 1)
    mid_sizes: str = "per_conv"
    stem_mid_size: int | None = None
    shortcut: str = "factored"

    def __post_init__(self, **kwargs: Any) -> None:
        # In a 1×1×1 shortcut the rule gives a width of 0 for fewer than two channels.
        self.hidden_sizes = self._widths("hidden_sizes", self.hidden_sizes, minimum=2)
        self.depths = self._widths("depths", self.depths)
        if len(self.depths) != len(self.hidden_sizes) - 1:
            raise ValueError(
                f"R2Plus1DConfig: `depths` {self.depths} does not fit `hidden_sizes` {self.hidden_sizes}; give a width"
                " for the stem and one per stage, and a depth per stage"
            )
        for name, choices in (("mid_sizes", ("per_conv", "per_block")), ("shortcut", ("factored", "plain"))):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"R2Plus1DConfig: `{name}` is {getattr(self, name)!r}; allowed are {', '.join(choices)}"
                )
        super().__post_init__(**kwargs)
        self._check_layers([self.num_channels, *self.hidden_sizes], [1, 1, *self.depths])
        if self.stem_mid_size is not None and self.stem_mid_size > MAX_STEM:
            raise ValueError(
                f"R2Plus1DConfig: `stem_mid_size` is {self.stem_mid_size}; at most {MAX_STEM} are allowed"
            )
