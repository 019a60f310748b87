"""Folded encoders against the ones with batch normalisation."""

from __future__ import annotations

import pytest
import torch
from reference_nets import unsettled
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hf_selfdistill import C3DConfig, C3DModel, R2Plus1DConfig, R2Plus1DModel
from hf_selfdistill.models.folding import fold_batch_norm, without_batch_norm

SMALL = {"num_frames": 8, "image_size": 16}
FACTORED = {"hidden_sizes": [4, 4, 6, 8, 10], "depths": [2, 1, 1, 1], **SMALL}
MODELS = {
    "c3d": lambda: C3DModel(C3DConfig(hidden_sizes=[4, 6, 8, 8, 10], **SMALL)),
    "r2plus1d": lambda: R2Plus1DModel(R2Plus1DConfig(**FACTORED)),
    "r2plus1d as in torchvision": lambda: R2Plus1DModel(
        R2Plus1DConfig(shortcut="plain", mid_sizes="per_block", **FACTORED)
    ),
}


@pytest.mark.parametrize("synchronised", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_folded_encoder_gives_the_same_features_up_to_rounding(name, synchronised):
    """In double precision, so that the tolerance leaves no room for a missing or a wrong norm."""
    model = unsettled(MODELS[name]()).double().eval()
    if synchronised:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    folded = without_batch_norm(model)
    fold_batch_norm(model, folded)
    assert not any(isinstance(part, _BatchNorm) for part in folded.modules())
    clips = torch.randn(3, 8, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        found, expected = folded(clips).pooler_output, model(clips).pooler_output
    assert (found - expected).norm() < 1e-13 * expected.norm()


def test_folding_leaves_the_model_itself_as_it_was():
    model = unsettled(MODELS["c3d"]()).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fold_batch_norm(model, without_batch_norm(model))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_models_without_such_layers_have_nothing_to_fold():
    assert without_batch_norm(nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4))) is None
