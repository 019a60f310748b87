"""Configuration of C3D."""

from typing import Any

from .configuration_video_encoder import VideoEncoderConfig

__all__ = ["C3DConfig"]


class C3DConfig(VideoEncoderConfig):
    """Configuration of a `C3DModel`.

    The defaults are the encoder of VCOP, Pace and RSPNet that Zhou et al. (arXiv 2205.00506) fine-tune: C3D with batch
    normalisation and without the two fully connected layers of the classic network, 27,661,440 parameters.

    Args:
        hidden_sizes: width of each stage; the last width is that of the features.
        depths: number of convolutions of each stage.
        num_channels: number of colour channels of a frame.
        num_frames: number of frames of a clip, at least `2 ** (stages - 2)` (8 for five stages).
        image_size: side of a clip in pixels, at least `2 ** (stages - 1)` (16 for five stages).
        problem_type: kind of labels, see `VideoEncoderConfig`.

    Raises:
        ValueError: a size is not a positive integer, `hidden_sizes` and `depths` differ in length, or the clip is too
            small for the pooling, or the number of labels, layers, weights or values of a clip exceeds a limit.
    """

    model_type = "c3d"

    hidden_sizes: list[int] | tuple[int, ...] = (64, 128, 256, 512, 512)
    depths: list[int] | tuple[int, ...] = (1, 1, 2, 2, 2)

    @property
    def minimum_clip(self) -> tuple[int, int]:
        """Smallest number of frames and shortest side in pixels.

        The first pooling halves the side, and every later one halves both.
        """
        pools = len(self.hidden_sizes) - 1
        return 2 ** max(pools - 1, 0), 2**pools

    def __post_init__(self, **kwargs: Any) -> None:
        self.hidden_sizes = self._widths("hidden_sizes", self.hidden_sizes)
        self.depths = self._widths("depths", self.depths)
        if len(self.depths) != len(self.hidden_sizes):
            raise ValueError(
                f"C3DConfig: `depths` {self.depths} and `hidden_sizes` {self.hidden_sizes} differ in length; give one"
                " of each per stage"
            )
        super().__post_init__(**kwargs)
        self._check_layers([self.num_channels, *self.hidden_sizes], [1, *self.depths])
