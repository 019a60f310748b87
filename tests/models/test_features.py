import pytest
import torch

from hf_selfdistill import R2Plus1DConfig, R2Plus1DForVideoClassification
from hf_selfdistill.models.features import FeatureTap, copy_encoder, last_layer


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = R2Plus1DConfig(hidden_sizes=[4, 4, 4, 6, 8], num_frames=4, image_size=16, num_labels=3)
    return R2Plus1DForVideoClassification(config).eval()


@pytest.fixture
def clips():
    return torch.randn(2, 4, 3, 16, 16)


def test_the_last_layer_is_the_one_that_gives_the_logits(model):
    assert last_layer(model) is model.classifier


def test_a_model_without_a_classifier_is_refused_with_the_cure(model):
    with pytest.raises(ValueError, match=r"R2Plus1DModel has no layer named `classifier`.*give your last layer"):
        last_layer(model.encoder)


def test_the_tap_gives_the_features_that_the_last_layer_received_with_their_graph(model, clips):
    tap = FeatureTap(model)
    logits = model(clips).logits
    features = tap.take()
    assert features.shape == (2, 8) and features.requires_grad
    assert torch.equal(model.classifier(features), logits)
    assert torch.equal(features, model.base_model(clips).pooler_output)


def test_a_forward_pass_can_be_taken_once(model, clips):
    tap = FeatureTap(model)
    model(clips)
    tap.take()
    with pytest.raises(RuntimeError, match="no forward pass since"):
        tap.take()


def test_the_copy_returns_features_as_logits_and_shares_nothing_with_the_model(model, clips):
    FeatureTap(model)  # a hook of the student's is not the copy's
    encoder = copy_encoder(model)
    features = encoder(clips).logits
    assert torch.equal(features, model.base_model(clips).pooler_output)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(encoder(clips).logits, features)
    assert not any(name.startswith("classifier") for name in encoder.state_dict())
