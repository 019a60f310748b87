"""The views of an encoder of transformers are what its own processor makes of the same pixels."""

from __future__ import annotations

import pytest
import torch
from tiny_classifiers import ARCHITECTURES, SIZE, tiny_processor

from hf_selfdistill import C3DVideoProcessor
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.pretraining.augmentation import normalisation
from hf_selfdistill.pretraining.motion_appearance import MotionAppearanceViews
from hf_selfdistill.pretraining.objective_arguments import (
    MotionAppearanceArguments,
    PaceArguments,
    SpaceTimeCubesArguments,
)
from hf_selfdistill.pretraining.pace import PaceViews
from hf_selfdistill.pretraining.rspnet import RSPNetViews
from hf_selfdistill.pretraining.space_time_cubes import SpaceTimeCubesViews

PROCESSORS = {
    **{name: tiny_processor(name) for name in ARCHITECTURES},
    "c3d": C3DVideoProcessor(crop_size={"height": SIZE, "width": SIZE}),
    "not normalised": C3DVideoProcessor(do_normalize=False),
    "neither": C3DVideoProcessor(do_normalize=False, do_rescale=False),
    "0 … 255, centred": C3DVideoProcessor(do_rescale=False, image_mean=[100.0, 110.0, 120.0], image_std=[1.0] * 3),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_pixels_are_normalised_as_its_processor_does(name):
    processor = PROCESSORS[name]
    frames = torch.randint(256, (4, 3, *ClipProcessor.size_of(processor)), dtype=torch.uint8)
    expected = processor(frames, do_sample_frames=False, do_resize=False, do_center_crop=False, return_tensors="pt")
    clip = normalisation(processor)(frames / 255)
    largest = expected[processor.model_input_names[0]][0].abs().max().item()
    assert (clip - expected[processor.model_input_names[0]][0]).abs().max() <= 1e-5 * largest


@pytest.mark.parametrize("antialias", [True, False])
def test_frames_are_resized_as_its_processor_does(antialias):
    processor = C3DVideoProcessor(antialias=antialias, crop_size={"height": 32, "width": 32}, do_normalize=False)
    views = {
        "rspnet": RSPNetViews(processor, 4).augment.transforms[0],
        "pace": PaceViews(processor, 4, PaceArguments(), 1).augment.transforms[1],
        "motion and appearance": MotionAppearanceViews(processor, 4, MotionAppearanceArguments()).resize,
        "cubes": SpaceTimeCubesViews(processor, 4, SpaceTimeCubesArguments()),
    }
    assert {name: resize.antialias for name, resize in views.items()} == dict.fromkeys(views, antialias)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_crops_are_of_the_size_that_its_processor_gives(name):
    frames = torch.zeros(4, 3, 24, 32, dtype=torch.uint8)
    processor = tiny_processor(name)
    for views in (RSPNetViews(processor, 4), PaceViews(processor, 4, PaceArguments(), 1)):
        clip = views.augment(frames)
        assert clip.shape == (4, 3, SIZE, SIZE) and clip.dtype == torch.float32
