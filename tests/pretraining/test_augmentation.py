import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F
from videos import frame_numbers, numbered_frames, write_video

from hf_selfdistill import C3DVideoProcessor
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.transforms import seeded_draws
from hf_selfdistill.pretraining.augmentation import (
    AsOneImage,
    ColorJitter,
    FloatResizedCrop,
    normalisation,
    read_clips,
    resized_part,
    shift_hue_,
)

PROCESSOR = C3DVideoProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})


def clip(frames: int = 5) -> torch.Tensor:
    return torch.rand(frames, 3, 12, 10, generator=torch.Generator().manual_seed(0))


def test_colours_of_all_frames_change_alike():
    with seeded_draws(1):
        together = AsOneImage(v2.ColorJitter(brightness=0.4, saturation=0.4, hue=0.4))(clip())
    for frame, expected in zip(clip(), together, strict=True):
        with seeded_draws(1):
            assert torch.allclose(v2.ColorJitter(brightness=0.4, saturation=0.4, hue=0.4)(frame), expected, atol=1e-5)


def test_contrast_changes_about_the_mean_of_the_whole_clip():
    frames = clip() * torch.linspace(0.2, 1, 5)[:, None, None, None]
    changed = AsOneImage(v2.ColorJitter(contrast=(0.5, 0.5)))(frames)
    grey = (frames * torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)).sum(1).mean()
    assert torch.allclose(changed, 0.5 * frames + 0.5 * grey, atol=1e-4)


def test_clips_are_normalised_as_fine_tuning_does():
    white = torch.ones(1, 3, 28, 28, dtype=torch.uint8) * 255
    expected = PROCESSOR(white, do_sample_frames=False, return_tensors="pt")["pixel_values"][0]
    assert torch.allclose(normalisation(PROCESSOR)(white / 255), expected, atol=1e-5)


ROUNDING = 5e-6  # sums in another order, and torchvision's hue is itself rounded to 1e-6


def uint8_frames(height: int, width: int) -> torch.Tensor:
    frames = torch.randint(256, (3, height, width, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return frames.permute(0, 3, 1, 2)


@pytest.mark.parametrize("factor", [-0.5, -0.31, -0.1, 0.0, 0.07, 0.25, 0.4, 0.5])
def test_hue_is_shifted_as_torchvision_does(factor):
    image = torch.rand(3, 60, 50, generator=torch.Generator().manual_seed(0))
    image[:, :20] = (2 * image[:, :20]).round() / 2  # pure colours, ties, black, white
    image[:, 20:25] = image[:1, 20:25]  # grey
    shifted = image.clone()
    shift_hue_(shifted, factor)
    assert (shifted - F.adjust_hue(image, factor)).abs().max() < 2e-6


@pytest.mark.parametrize("seed", range(12))
def test_colours_change_as_torchvision_changes_them_and_draws_are_equal(seed):
    jitter = dict(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.4)
    with seeded_draws(seed):
        expected, then = AsOneImage(v2.ColorJitter(**jitter))(clip()), torch.rand(())
    with seeded_draws(seed):
        changed, then_too = AsOneImage(ColorJitter(**jitter))(clip()), torch.rand(())
    assert torch.allclose(changed, expected, rtol=0, atol=ROUNDING) and then == then_too


def test_a_colour_that_is_not_jittered_stays():
    frames = clip()
    assert torch.equal(AsOneImage(ColorJitter())(frames), frames)


@pytest.mark.parametrize("antialias", [False, True])
def test_a_crop_converted_before_it_is_resized_equals_a_crop_of_floats(antialias):
    arguments = dict(size=(16, 20), scale=(0.4, 1.0), antialias=antialias)
    plain = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.RandomResizedCrop(**arguments)])
    for seed in range(5):
        with seeded_draws(seed):
            expected = plain(uint8_frames(48, 33))
        with seeded_draws(seed):
            assert torch.equal(FloatResizedCrop(**arguments)(uint8_frames(48, 33)), expected)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("sides", [(48, 33), (30, 90), (16, 16)])
def test_a_part_resized_alone_equals_the_part_of_resized_frames(sides, antialias):
    frames, size = uint8_frames(*sides), (32, 41)
    whole = F.resize(F.to_dtype(frames, torch.float32, scale=True), list(size), antialias=antialias)
    for top, left, height, width in [(0, 0, 32, 41), (3, 5, 12, 20), (20, 30, 12, 11)]:
        part = resized_part(frames, size, top, left, height, width, antialias)
        assert torch.allclose(part, whole[..., top : top + height, left : left + width], rtol=0, atol=1e-6)


def test_clips_are_read_with_each_frame_once(tmp_path):
    reads = []

    class Reader(VideoReader):
        def read(self, indices):
            reads.append(indices)
            return super().read(indices)

    clips = [[4, 5, 6, 7], [2, 4, 6, 8], [7, 0, 1, 0]]
    with Reader(write_video(tmp_path / "v.mp4", numbered_frames(12))) as reader:
        assert [frame_numbers(frames) for frames in read_clips(reader, clips)] == clips
    assert reads == [[0, 1, 2, 4, 5, 6, 7, 8]]
