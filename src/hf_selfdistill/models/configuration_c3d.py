"""Configuration of C3D."""

from typing import Any

from .configuration_video_encoder import VideoEncoderConfig

__all__ = ["C3DConfig"]


class C3DConfig(VideoEncoderConfig):
    """Configuration of a `C3DModel`.

    The defaults are the encoder of VCOP, Pace and RSPNet that Zhou et al. (arXiv 2205.00506) fine-tune: C3D with batch
    normalisation and without the classic net's two fully connected layers, 27,661,440 parameters.

    Args:
        hidden_sizes: width of each stage; its last one is the width of the features.
        depths: convolutions of each stage.
        num_channels: colour channels of a frame.
        num_frames: frames of a clip, at least `2 ** (stages - 2)`, which is 8 for five stages.
        image_size: side of a clip in pixels, at least `2 ** (stages - 1)`, which is 16 for five stages.
        problem_type: see `VideoEncoderConfig`.

    Raises:
        ValueError: a size is not a positive integer, widths and depths do not pair, or the clip is so small that the
            pooling would leave nothing of it.
    """

    model_type = "c3d"

    hidden_sizes: list[int] | tuple[int, ...] = (64, 128, 256, 512, 512)
    depths: list[int] | tuple[int, ...] = (1, 1, 2, 2, 2)

    @property
    def minimum_clip(self) -> tuple[int, int]:
        """The fewest frames and the shortest side in pixels: every pooling halves them, the first one space only."""
        pools = len(self.hidden_sizes) - 1
        return 2 ** max(pools - 1, 0), 2**pools

    def __post_init__(self, **kwargs: Any) -> None:
        self.hidden_sizes = self._widths("hidden_sizes", self.hidden_sizes)
        self.depths = self._widths("depths", self.depths)
        if len(self.depths) != len(self.hidden_sizes):
            raise ValueError(
                f"C3DConfig: depths={self.depths} and hidden_sizes={self.hidden_sizes} differ in length;"
                " give one of each per stage."
            )
        super().__post_init__(**kwargs)
