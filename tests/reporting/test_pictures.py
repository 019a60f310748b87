import base64
import io

import numpy as np
import pytest
from PIL import Image

from hf_selfdistill.reporting.pictures import as_picture, file_as_picture, image_as_picture
from hf_selfdistill.training.figures import new_figure


def decoded(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))


def test_a_figure_is_dark_ink_on_no_ground_which_a_dark_page_may_invert():
    figure = new_figure(2, 1)
    figure.subplots().set_title("words")
    picture = as_picture(figure, "words")
    drawn = decoded(picture.uri)
    assert picture.drawn and picture.width == 192
    assert drawn[0, 0, 3] == 0 and drawn[drawn[..., 3] == 255][:, :3].mean() < 60


def test_a_file_that_is_no_picture_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"clip\.mp4 is not an image"):
        file_as_picture(tmp_path / "clip.mp4", "a clip")


def test_an_image_is_kept_with_a_little_loss():
    ramp = np.linspace(0, 255, 64).round().astype(np.uint8)
    image = Image.fromarray(np.tile(ramp[None, :, None], (64, 1, 3)))
    picture = image_as_picture(image, "a ramp", "below it")
    assert not picture.drawn and picture.uri.startswith("data:image/webp;base64,")
    assert (picture.alt, picture.caption) == ("a ramp", "below it")
    assert np.abs(decoded(picture.uri)[..., :3].astype(int) - np.asarray(image)).mean() < 4
