import av
import numpy as np
import pytest
import torch
from videos import numbered_frame, write_colour, write_video

from hf_selfdistill.data.decoding import read_frames


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_pictures_are_turned_as_they_are_to_be_displayed(rotation, mirrored, tmp_path):
    image = numbered_frame(0b1101, 48, 64)
    path = write_video(tmp_path / "phone.mp4", [image] * 3, rotation=rotation, mirrored=mirrored)
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    # Turned counter-clockwise, then mirrored: so FFmpeg defines av_display_rotation_set and av_display_matrix_flip.
    turned = np.rot90(stored, rotation // 90)
    expected = turned[:, ::-1] if mirrored else turned
    assert np.array_equal(read_frames(path, [1])[0].permute(1, 2, 0).numpy(), expected)


def test_a_phone_picture_marked_minus_90_is_turned_clockwise(real_data):
    frames = read_frames(real_data / "phone_clips" / "rotated_minus90_hevc_1280x720.mp4", [100])
    assert frames.shape == (1, 3, 1280, 720)


RED, SKIN, BLUE = (200, 40, 50), (205, 150, 120), (40, 60, 190)
BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)  # weights of red and blue in luma


@pytest.mark.parametrize("rgb", [RED, SKIN, BLUE])
@pytest.mark.parametrize(
    ("weights", "settings"),
    [
        (BT601, {"options": {}}),
        (BT601, {"options": {"x264-params": "colormatrix=smpte170m"}}),
        (BT709, {"options": {"x264-params": "colormatrix=bt709"}}),
        (BT2020, {"options": {"x264-params": "colormatrix=bt2020nc:colorprim=bt2020:transfer=arib-std-b67"}}),
        (BT2020, {"options": {"x264-params": "colormatrix=bt2020c"}}),
        (BT601, {"options": {}, "codec": "mjpeg", "pix_fmt": "yuvj420p", "full_range": True}),
        (BT709, {"options": {"x264-params": "colormatrix=bt709:fullrange=on"}, "full_range": True}),
        (
            BT709,
            {
                "options": {"x265-params": "log-level=none:bframes=0:colormatrix=bt709"},
                "codec": "libx265",
                "pix_fmt": "yuv420p10le",
            },
        ),
    ],
    ids=["untagged", "bt601", "bt709", "bt2020", "bt2020-constant", "full-range", "bt709-full-range", "hevc-10-bit"],
)
def test_colours_are_right(rgb, weights, settings, tmp_path):
    name = "colour.avi" if settings.get("codec") == "mjpeg" else "colour.mp4"
    path = write_colour(tmp_path / name, rgb, weights, **settings)
    colour = read_frames(path, [0])[0, :, 32, 32]
    assert (colour - torch.tensor(rgb)).abs().max() <= 4


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "bgra", "bgr0"])
def test_grey_alpha_and_rgb_pixels_become_rgb(pix_fmt, tmp_path):
    image = numbered_frame(0b10110)
    path = write_video(tmp_path / "pixels.mkv", [image] * 2, codec="ffv1", pix_fmt=pix_fmt)
    difference = read_frames(path, [1])[0].permute(1, 2, 0).int() - torch.from_numpy(image).int()
    assert difference.abs().max() <= 1
