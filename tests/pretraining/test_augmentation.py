import torch
from torchvision.transforms import v2

from hf_selfdistill import C3DVideoProcessor
from hf_selfdistill.data.transforms import seeded_draws
from hf_selfdistill.pretraining.augmentation import AsOneImage, normalisation

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
