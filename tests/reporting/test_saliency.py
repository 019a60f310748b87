import numpy as np
import pytest
import torch
from tiny_classifiers import tiny_model
from torch import nn

from hf_selfdistill import C3DConfig, C3DForVideoClassification, R2Plus1DConfig, R2Plus1DForVideoClassification
from hf_selfdistill.reporting.saliency import grad_cam

SMALL = {"hidden_sizes": [4, 8, 8, 8, 8], "num_labels": 3}


def tiny(config, classifier):
    torch.manual_seed(0)
    model = classifier(config(**SMALL, num_frames=16, image_size=32)).double().eval()
    for module in model.modules():  # as after training: no two channels alike
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.bias, std=0.3)
            module.running_mean.normal_(std=0.1)
    nn.init.uniform_(model.classifier.weight, -0.5, 1)
    return model


def stretched(length, to):
    """Rows that interpolate linearly between the centres of `length` cells, `(to, length)`."""
    rows = np.zeros((to, length))
    for i in range(to):
        place = min(max((i + 0.5) * length / to - 0.5, 0), length - 1)
        below = int(place)
        above = min(below + 1, length - 1)
        rows[i, below] += 1 - (place - below)
        rows[i, above] += place - below
    return rows


@pytest.mark.parametrize(
    ("config", "classifier"),
    [(C3DConfig, C3DForVideoClassification), (R2Plus1DConfig, R2Plus1DForVideoClassification)],
)
def test_it_is_the_weighted_sum_of_channels_computed_by_hand(config, classifier):
    model = tiny(config, classifier)
    clips = torch.randn(2, 16, 3, 32, 32, dtype=torch.float64)
    classes = [2, 0]
    found = grad_cam(model, clips, torch.tensor(classes)).numpy()
    with torch.no_grad():
        maps = model.base_model(clips).last_hidden_state.numpy()  # (B, C, t, h, w)
    t, h, w = maps.shape[2:]
    assert t > 1 and h > 1 and found.shape == (2, 16, 32, 32)
    head = model.classifier.weight.detach().numpy()
    for clip, label in enumerate(classes):
        # The mean over positions and one linear layer: each position's gradient is the head's weight / positions.
        evidence = np.maximum(np.einsum("c,cthw->thw", head[label] / (t * h * w), maps[clip]), 0)
        evidence = np.einsum("Tt,Hh,Ww,thw->THW", stretched(t, 16), stretched(h, 32), stretched(w, 32), evidence)
        assert evidence.max() > 0
        np.testing.assert_allclose(found[clip], evidence / evidence.max(), atol=1e-12)


@pytest.fixture
def brightness():
    """A C3D whose first feature is how bright a place is: class 0 is bright, class 1 is dark."""
    config = C3DConfig(hidden_sizes=[1] * 5, num_labels=2, num_frames=16, image_size=64)
    model = C3DForVideoClassification(config).eval()
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
            module.weight.data[:, :, 1, 1, 1] = 1 / module.in_channels
    model.classifier.weight.data = torch.tensor([[1.0], [-1.0]])
    return model


def test_a_bright_square_is_found_where_and_when_it_is(brightness):
    clip = torch.zeros(1, 16, 3, 64, 64)
    clip[:, 8:, :, 16:32, 48:] = 1  # in the second half, in the second row of four and the last column
    found = grad_cam(brightness, clip, torch.tensor([0]))[0]
    assert found.max() == 1 and found.min() == 0
    time, row, column = np.unravel_index(int(found.argmax()), found.shape)
    assert time >= 8 and 16 <= row < 32 and column >= 48
    assert found[15, 24, 60] == 1 and found[0].max() == 0 and found[:, 48:].max() == 0 and found[:, :, :32].max() == 0


def test_where_nothing_speaks_for_a_class_all_is_zero(brightness):
    clip = torch.rand(1, 16, 3, 64, 64)
    assert grad_cam(brightness, clip, torch.tensor([1])).abs().max() == 0


def test_a_clip_is_explained_alike_alone_and_in_a_batch_and_leaves_the_model_as_it_was():
    model = tiny(C3DConfig, C3DForVideoClassification)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    clips = torch.randn(2, 16, 3, 32, 32, dtype=torch.float64)
    with torch.inference_mode(False), torch.no_grad():
        both = grad_cam(model, clips, torch.tensor([0, 1]))
        alone = grad_cam(model, clips[1:], torch.tensor([1]))
    torch.testing.assert_close(both[1:], alone)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.base_model._forward_hooks


def test_a_model_without_a_map_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^VideoMAEForVideoClassification has no last feature map .* Grad-CAM needs"):
        grad_cam(tiny_model("videomae"), torch.zeros(1, 4, 3, 16, 16), torch.tensor([0]))
