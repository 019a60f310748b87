from __future__ import annotations

import pytest
import torch
from tiny_classifiers import ARCHITECTURES, tiny_model
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from hf_selfdistill import R2Plus1DConfig, R2Plus1DForVideoClassification
from hf_selfdistill.models.layers import layers_of, parameter_depths


def test_the_layers_of_ours_are_their_stages_and_the_stem_lies_below():
    config = R2Plus1DConfig(hidden_sizes=[4, 4, 8, 8, 8], num_frames=8, image_size=16, num_labels=3)
    model = R2Plus1DForVideoClassification(config)
    assert list(layers_of(model)) == [f"encoder.stages.{index}" for index in range(4)]
    depths = parameter_depths(model)
    assert {depths[name] for name in depths if name.startswith("encoder.stem.")} == {0}
    assert {depths[name] for name in depths if name.startswith("encoder.stages.3.")} == {4}
    assert depths["classifier.weight"] == 5


def test_the_layers_of_a_transformer_are_its_own_and_what_follows_them_lies_above():
    config = VideoMAEConfig(hidden_size=16, num_hidden_layers=3, num_attention_heads=2, image_size=16, num_frames=4)
    depths = parameter_depths(VideoMAEForVideoClassification(config))
    assert depths["videomae.embeddings.patch_embeddings.projection.weight"] == 0
    inner = {name: depth for name, depth in depths.items() if ".layer." in name}
    assert set(inner.values()) == {1, 2, 3}
    assert {depths[name] for name in ("fc_norm.weight", "classifier.weight")} == {4}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_weight_of_every_classifier_has_a_depth_and_the_head_the_greatest(architecture):
    model = tiny_model(architecture)
    depths = parameter_depths(model)
    assert depths.keys() == dict(model.named_parameters()).keys()
    assert depths["classifier.weight"] == max(depths.values()) == len(layers_of(model)) + 1


def test_a_model_without_layers_is_refused():
    with pytest.raises(ValueError, match="Linear has no list of layers"):
        layers_of(torch.nn.Linear(2, 2))
