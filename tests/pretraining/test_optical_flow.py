from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from hf_selfdistill.pretraining.optical_flow import FLOW_SIZE, dense_flow, flow_algorithm


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random picture (H, W, 3)."""
    noise = torch.rand(1, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(noise, (height, width), mode="bicubic")[0].clamp(0, 1)
    return (smooth * 255).byte().permute(1, 2, 0).numpy()


def as_frames(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def pixels(flow: torch.Tensor) -> torch.Tensor:
    return (flow.float() - 128) * 40 / 255


@pytest.mark.parametrize("method", ["dis", "tvl1"])
def test_a_square_that_moves_has_its_flow_and_the_rest_has_none(method):
    before = texture(*FLOW_SIZE)
    after = before.copy()
    square = texture(44, 44, seed=1)
    before[40:84, 60:104], after[38:82, 63:107] = square, square
    flow = pixels(dense_flow(as_frames(before), as_frames(after), method))
    assert flow.shape == (1, 2, *FLOW_SIZE)
    inside, outside = flow[0, :, 50:74, 70:94], flow[0, :, 100:, :40]
    assert inside.mean((1, 2)).tolist() == pytest.approx([3, -2], abs=0.2)
    assert outside.abs().mean() < 0.03


def test_levels_are_forty_255ths_of_a_pixel_and_faster_flow_is_clipped(monkeypatch):
    class Algorithm:
        def calc(self, before, after, flow):
            values = np.zeros((*FLOW_SIZE, 2), np.float32)
            values[..., 0], values[..., 1], values[0, 0] = 3, 0.07, (-25, 25)
            return values

    monkeypatch.setattr("hf_selfdistill.pretraining.optical_flow.flow_algorithm", lambda method: Algorithm())
    frame = as_frames(texture(*FLOW_SIZE))
    flow = dense_flow(frame, frame)
    assert flow[0, :, 0, 0].tolist() == [0, 255]
    assert flow[0, :, 1, 1].tolist() == [128 + round(3 * 255 / 40), 128]


@pytest.mark.parametrize("size", [(16, 16), (160, 284), (300, 200)])
def test_flow_has_one_size_whatever_the_video_has_and_none_between_equal_frames(size):
    frames = as_frames(texture(*size), texture(*size))
    flow = dense_flow(frames, frames)
    assert flow.shape == (2, 2, *FLOW_SIZE)
    assert (flow == 128).all()


def test_flow_of_a_pair_does_not_depend_on_the_pairs_before_it():
    frames = as_frames(*(texture(64, 64, seed) for seed in range(4)))
    together = dense_flow(frames[:-1], frames[1:])
    alone = torch.cat([dense_flow(frames[i : i + 1], frames[i + 1 : i + 2]) for i in (2, 0, 1)])
    assert torch.equal(together[[2, 0, 1]], alone)


@pytest.mark.parametrize("missing", ["cv2", "cv2.optflow"])
def test_a_missing_package_is_one_line_that_names_the_extra(monkeypatch, missing):
    import cv2

    flow_algorithm.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "cv2.optflow":  # as in OpenCV without its contrib modules
        monkeypatch.delattr(cv2, "optflow")
    with pytest.raises(ValueError, match=r"^`flow` is 'tvl1', .*OpenCV .*pip install .hf_selfdistill\[flow\].$"):
        flow_algorithm("tvl1")


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="`flow` is 'farneback'; allowed are 'dis', 'tvl1'"):
        flow_algorithm("farneback")
