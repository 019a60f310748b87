import pytest
from transformers import ResNetConfig, VideoMAEConfig, VJEPA2Config

from hf_selfdistill import C3DConfig
from hf_selfdistill.models.frames import frames_per_clip


@pytest.mark.parametrize(
    "config", [C3DConfig(num_frames=12), VideoMAEConfig(num_frames=12), VJEPA2Config(frames_per_clip=12)]
)
def test_each_architecture_is_asked_by_its_own_word(config):
    assert frames_per_clip(config) == 12


def test_a_model_of_single_pictures_is_refused():
    with pytest.raises(ValueError, match="this resnet has none of num_frames, frames_per_clip"):
        frames_per_clip(ResNetConfig())
