import pytest
import torch
from reference_nets import ReferenceC3D, unsettled

from hf_selfdistill import C3DConfig, C3DForVideoClassification, C3DModel

# (stage, layer) of each convolution, in the order of the released net
LAYERS = {"1": (0, 0), "2": (1, 0), "3a": (2, 0), "3b": (2, 1), "4a": (3, 0), "4b": (3, 1), "5a": (4, 0), "5b": (4, 1)}


def copy_layers(model, reference):
    for name, (stage, layer) in LAYERS.items():
        ours = model.stages[stage].layers[layer]
        ours.conv.load_state_dict(getattr(reference, f"conv{name}").state_dict())
        ours.norm.load_state_dict(getattr(reference, f"bn{name}").state_dict())


def test_the_papers_encoder_has_27661440_parameters_and_56_entries():
    with torch.device("meta"):
        model = C3DModel(C3DConfig())
    assert model.num_parameters() == 27_661_440
    assert len(model.state_dict()) == 56
    assert "stages.4.layers.1.norm.running_var" in model.state_dict()


def test_16_frames_of_112_pixels_become_512_maps_of_2_by_7_by_7():
    with torch.device("meta"):
        outputs = C3DForVideoClassification(C3DConfig(num_labels=101))(
            torch.empty(2, 16, 3, 112, 112), output_hidden_states=True
        )
    assert outputs.logits.shape == (2, 101)
    assert [tuple(state.shape[1:]) for state in outputs.hidden_states] == [
        (64, 16, 56, 56),
        (128, 8, 28, 28),
        (256, 4, 14, 14),
        (512, 2, 7, 7),
        (512, 2, 7, 7),
    ]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("widths", [(4, 8, 8, 8, 8), (64, 128, 256, 512, 512)])
def test_it_computes_what_the_released_net_computes(widths, training):
    torch.manual_seed(0)
    reference = unsettled(ReferenceC3D(widths)).train(training)
    model = C3DModel(C3DConfig(hidden_sizes=widths)).train(training)
    copy_layers(model, reference)
    # In single precision, batch normalisation over the few pixels of the last stage magnifies rounding to 1e-5.
    model, reference, clips = model.double(), reference.double(), torch.randn(2, 8, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        ours, theirs = model(clips).last_hidden_state, reference(clips.transpose(1, 2))
    assert (ours - theirs).norm() < 1e-12 * theirs.norm()
    torch.testing.assert_close(model.stages[4].layers[1].norm.running_mean, reference.bn5b.running_mean)


def test_deeper_stages_and_other_numbers_of_stages_work():
    config = C3DConfig(hidden_sizes=[4, 6, 8], depths=[2, 1, 3], num_frames=2, image_size=4)
    outputs = C3DModel(config).eval()(torch.zeros(1, 2, 3, 4, 4))
    assert outputs.last_hidden_state.shape == (1, 8, 1, 1, 1)
    assert [len(stage.layers) for stage in C3DModel(config).stages] == [2, 1, 3]


@pytest.mark.parametrize("shape", [(1, 7, 3, 16, 16), (1, 8, 3, 15, 16), (1, 8, 3, 16, 15)])
def test_clips_of_which_the_pooling_leaves_nothing_are_refused_with_the_least_size(shape):
    model = C3DModel(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8]))
    with pytest.raises(ValueError, match=rf"{shape[1]} frames of {shape[3]}×{shape[4]}.* at least 8 frames of 16×16"):
        model(torch.zeros(shape))
