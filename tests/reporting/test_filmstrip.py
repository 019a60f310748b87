from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hf_selfdistill.reporting.filmstrip import Explanation, draw_filmstrip, overlay, write_gif


@pytest.fixture
def explanation():
    frames = torch.randint(0, 256, (16, 3, 40, 60), dtype=torch.uint8)
    evidence = torch.zeros(16, 4, 4)
    evidence[:, :2, :2] = 1
    scores = [("moving_left", 0.75), ("a class whose name is far too long for any picture " * 3, 0.25)]
    return Explanation(frames, evidence, [i / 25 for i in range(16)], 2.0, "moving_left", scores, "clip 3 of 10")


def test_without_evidence_a_frame_is_grey_and_with_it_coloured(explanation):
    pictures = overlay(explanation.frames, explanation.evidence)
    assert pictures.shape == (16, 40, 60, 3) and pictures.dtype == np.uint8
    grey = explanation.frames[:, :, 30:, 45:].float().mean(1).round().numpy()
    assert (pictures[:, 30:, 45:] == grey[..., None]).all()
    red, blue = pictures[:, :10, :15, 0].astype(int), pictures[:, :10, :15, 2].astype(int)
    assert (red - blue > 20).all()


def test_more_evidence_is_brighter():
    dark = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
    pictures = overlay(dark, torch.linspace(0, 1, 5)[:, None, None].expand(5, 8, 8))
    brightness = pictures[:, 0, 0] @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(brightness) > 0).all()


def test_the_filmstrip_shows_eight_frames_from_first_to_last_above_their_evidence(explanation):
    page = np.asarray(draw_filmstrip(explanation))
    heat = overlay(explanation.frames, explanation.evidence)
    for column, index in ((0, 0), (7, 15)):
        left = 24 + column * 66
        top = next(y for y in range(page.shape[0]) if _is(page, y, left, explanation.frames[index].permute(1, 2, 0)))
        assert _is(page, top + 46, left, heat[index])


def _is(page, top, left, picture):
    part = page[top : top + picture.shape[0], left : left + picture.shape[1]]
    return part.shape == tuple(picture.shape) and bool((part == np.asarray(picture)).all())


def test_nothing_leaves_the_page_even_for_one_small_frame_of_one_class(explanation):
    small = replace(
        explanation,
        frames=explanation.frames[:1, :, :16, :16],
        evidence=explanation.evidence[:1],
        times=[0.0],
        scores=explanation.scores[1:],
        label=explanation.scores[1][0],
    )
    page = np.asarray(draw_filmstrip(small))
    assert (page[:, -10:] == 255).all() and (page[-10:] == 255).all()


def test_the_gif_has_every_frame_and_never_ends(explanation, tmp_path):
    write_gif(explanation, tmp_path / "v.gif")
    with Image.open(tmp_path / "v.gif") as gif:
        assert gif.n_frames == 16 and gif.info["loop"] == 0
        assert gif.size == (126, 62)
