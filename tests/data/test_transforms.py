import pytest
import torch
from transformers import BaseVideoProcessor

from hf_selfdistill import C3DVideoProcessor
from hf_selfdistill.data.transforms import ClipProcessor, seeded_draws, training_augmentation


def gradient_clip(frames=4, height=40, width=60):
    """Identical frames of a horizontal ramp."""
    ramp = torch.linspace(0, 255, width).to(torch.uint8)
    return ramp.expand(frames, 3, height, width).clone()


def test_all_frames_of_a_clip_get_the_same_draw():
    clip = training_augmentation((16, 16))(gradient_clip())
    assert clip.shape == (4, 3, 16, 16) and clip.dtype == torch.uint8
    assert all(torch.equal(frame, clip[0]) for frame in clip)


def test_crops_and_flips_vary_from_draw_to_draw():
    augment = training_augmentation((16, 16))
    clips = [augment(gradient_clip()) for _ in range(30)]
    rises = [bool(clip[0, 0, 0, -1] > clip[0, 0, 0, 0]) for clip in clips]
    assert 5 < sum(rises) < 25
    assert len({tuple(clip[0, 0, 0].tolist()) for clip in clips}) > 20


def test_without_flips_left_stays_left():
    augment = training_augmentation((16, 16), flip_probability=0.0)
    assert all(clip[0, 0, 0, -1] > clip[0, 0, 0, 0] for clip in (augment(gradient_clip()) for _ in range(20)))


def test_crops_are_never_smaller_than_allowed():
    augment = training_augmentation((16, 16), min_crop_area=0.8, flip_probability=0.0)
    for _ in range(20):
        row = augment(gradient_clip())[0, 0, 0].float()
        assert (row[-1] - row[0]) / 255 > 0.55  # a crop of 80 % of a 40×60 frame is at least 35 pixels wide


@pytest.mark.parametrize("wrong", [{"min_crop_area": 1.5}, {"flip_probability": -0.1}])
def test_a_share_outside_0_to_1_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        training_augmentation((16, 16), **wrong)


def test_draws_depend_on_their_numbers_alone_and_leave_the_generator_as_it_was():
    torch.manual_seed(3)
    untouched = torch.rand(2)
    torch.manual_seed(3)
    first = torch.rand(1)
    with seeded_draws(0, 1, 2):
        inside = torch.rand(3)
    assert torch.equal(torch.cat([first, torch.rand(1)]), untouched)
    torch.manual_seed(99)
    with seeded_draws(0, 1, 2):
        assert torch.equal(torch.rand(3), inside)
    for other in [(1, 1, 2), (0, 2, 2), (0, 1, 3), (0, 2, 1)]:
        with seeded_draws(*other):
            assert not torch.equal(torch.rand(3), inside)


@pytest.fixture
def processor() -> BaseVideoProcessor:
    return C3DVideoProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})


def test_testing_resizes_the_short_side_and_crops_the_centre(processor):
    clip = ClipProcessor(processor)(gradient_clip(height=32, width=64))
    assert clip.shape == (4, 3, 16, 16) and clip.dtype == torch.float32
    row = clip[0, 0, 0] * processor.image_std[0] + processor.image_mean[0]
    assert row[0].item() == pytest.approx(0.25, abs=0.03) and row[-1].item() == pytest.approx(0.75, abs=0.03)


def test_training_normalises_what_augmentation_gives_and_nothing_else(processor):
    half = gradient_clip()[..., :16, :16]
    clip = ClipProcessor(processor, augment=lambda frames: half)(gradient_clip())
    mean = torch.tensor(processor.image_mean).view(3, 1, 1)
    std = torch.tensor(processor.image_std).view(3, 1, 1)
    torch.testing.assert_close(clip, (half / 255 - mean) / std, rtol=1e-5, atol=1e-5)


def test_size_is_the_crops_or_the_resized_frames(processor):
    assert ClipProcessor.size_of(processor) == (16, 16)
    assert ClipProcessor.size_of(C3DVideoProcessor()) == (112, 112)
