import torch

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.models.features import copy_encoder
from hf_selfdistill.training.encoder_copy import take_over, whole


def test_a_copy_takes_over_parameters_and_buffers_and_stays_one():
    model = C3DForVideoClassification(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16)).train()
    encoder = copy_encoder(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    model(torch.randn(2, 8, 3, 16, 16))  # moves BatchNorm's running statistics
    mine = encoder.state_dict()
    assert not any(torch.equal(mine[name], value) for name, value in model.state_dict().items() if name in mine)
    take_over(encoder, model)
    assert mine and all(torch.equal(value, model.state_dict()[name]) for name, value in encoder.state_dict().items())
    with torch.no_grad():
        model.encoder.stages[0].layers[0].conv.weight += 1
    name = "encoder.stages.0.layers.0.conv.weight"
    assert not torch.equal(encoder.state_dict()[name], model.state_dict()[name])


def test_what_is_not_sharded_is_whole():
    tensor = torch.ones(2)
    assert whole(tensor) is tensor
