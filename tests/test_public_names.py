import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForVideoClassification

import hf_selfdistill


@pytest.mark.parametrize("name", hf_selfdistill.__all__)
def test_every_public_name_can_be_imported_and_is_documented(name):
    thing = getattr(hf_selfdistill, name)
    assert (thing.__doc__ or "").strip()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = hf_selfdistill.Nothing


@pytest.mark.parametrize("kind", ["c3d", "r2plus1d"])
def test_importing_the_package_makes_the_encoders_known_to_transformers(kind):
    config = AutoConfig.for_model(kind, hidden_sizes=[4, 4, 4, 4, 4], num_frames=8, image_size=16)
    with torch.device("meta"):
        assert type(AutoModel.from_config(config)).__module__.startswith("hf_selfdistill")
        assert type(AutoModelForVideoClassification.from_config(config)).__module__.startswith("hf_selfdistill")
