import pytest
import torch
from tiny_classifiers import ARCHITECTURES, FRAMES, SIZE, tiny_model
from torch import nn

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.models import adapters
from hf_selfdistill.models.adapters import add_lora
from hf_selfdistill.models.features import FeatureTap, copy_encoder, last_layer

CLIPS = torch.randn(2, FRAMES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def with_trained_adapters(name):
    model = add_lora(tiny_model(name), rank=2)
    for parameter in model.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_new_adapters_change_nothing_and_merged_ones_what_they_did(name):
    plain = tiny_model(name).eval()
    inputs = {plain.main_input_name: CLIPS}
    torch.testing.assert_close(add_lora(tiny_model(name), 2).eval()(**inputs).logits, plain(**inputs).logits)
    adapted = with_trained_adapters(name)
    expected = adapted(**inputs).logits
    assert (expected - plain(**inputs).logits).abs().max() > 1e-3
    merged = adapted.merge_and_unload()
    assert type(merged) is type(plain) and merged.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(merged(**inputs).logits, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_features_in_front_of_the_trained_head_are_seen_also_after_merging(name):
    model = with_trained_adapters(name)
    inputs = {model.main_input_name: CLIPS}
    tap, encoder = FeatureTap(model), copy_encoder(model)
    logits = model(**inputs).logits.flatten(1)
    features = tap.take()
    assert torch.equal(encoder(**inputs).logits.flatten(1), features)
    torch.testing.assert_close(last_layer(model)(features), logits)
    model.merge_and_unload()(**inputs)
    torch.testing.assert_close(tap.take(), features, atol=1e-5, rtol=1e-4)


def test_new_layers_and_the_head_are_trained_in_full_and_named_layers_get_adapters():
    model = add_lora(tiny_model("videomae"), 2, ["query"], ["fc_norm"])
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    in_full = {name for name in trained if "lora" not in name}
    assert {name.split(".")[2] for name in in_full} == {"classifier", "fc_norm"} and len(in_full) == 4
    assert all(".query." in name for name in trained - in_full) and len(trained - in_full) == 2


def test_batch_norm_is_refused_because_its_statistics_would_be_lost():
    model = C3DForVideoClassification(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16))
    with pytest.raises(ValueError, match="a c3d, has BatchNorm"):
        add_lora(model, 2)


def test_without_peft_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(adapters, "is_peft_available", lambda: False)
    with pytest.raises(ValueError, match=r"hf_selfdistill\[peft\]"):
        add_lora(tiny_model("videomae"), 2)
