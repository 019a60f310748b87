import pytest
import torch
from reference_nets import ReferenceR2Plus1D, unsettled

from hf_selfdistill import R2Plus1DConfig, R2Plus1DForVideoClassification, R2Plus1DModel
from hf_selfdistill.models.modeling_r2plus1d import factored_mid_size


def copy_factored(ours, theirs):
    ours.spatial.load_state_dict(theirs.spatial_conv.state_dict())
    ours.mid_norm.load_state_dict(theirs.bn.state_dict())
    ours.temporal.load_state_dict(theirs.temporal_conv.state_dict())


def copy_block(ours, theirs):
    for i in ("1", "2"):
        copy_factored(getattr(ours, f"conv{i}"), getattr(theirs, f"conv{i}"))
        getattr(ours, f"norm{i}").load_state_dict(getattr(theirs, f"bn{i}").state_dict())
    if theirs.downsample:
        copy_factored(ours.shortcut, theirs.downsampleconv)
        ours.shortcut.norm.load_state_dict(theirs.downsamplebn.state_dict())


def copy_net(model, reference):
    copy_factored(model.stem, reference.conv1)
    model.stem.norm.load_state_dict(reference.bn1.state_dict())
    layers = (reference.conv2, reference.conv3, reference.conv4, reference.conv5)
    for stage, layer in zip(model.stages, layers, strict=True):
        for ours, theirs in zip(stage.blocks, [layer.block1, *layer.blocks], strict=True):
            copy_block(ours, theirs)


def test_the_papers_encoder_has_14365303_parameters_and_144_entries():
    with torch.device("meta"):
        model = R2Plus1DModel(R2Plus1DConfig())
    assert model.num_parameters() == 14_365_303
    assert len(model.state_dict()) == 144


def test_the_widths_between_space_and_time_are_the_released_ones():
    state = R2Plus1DModel(R2Plus1DConfig()).state_dict()
    spatial = {name: value.shape[0] for name, value in state.items() if name.endswith("spatial.weight")}
    assert list(spatial.values()) == [83, 144, 144, 230, 288, 42, 460, 576, 85, 921, 1152, 170]
    assert factored_mid_size(3, 64, frames=3, pixels=7) == 83
    assert state["stages.3.blocks.0.shortcut.temporal.weight"].shape == (512, 170, 1, 1, 1)


def test_16_frames_of_112_pixels_become_512_maps_of_2_by_7_by_7():
    with torch.device("meta"):
        outputs = R2Plus1DForVideoClassification(R2Plus1DConfig(num_labels=101))(
            torch.empty(2, 16, 3, 112, 112), output_hidden_states=True
        )
    assert outputs.logits.shape == (2, 101)
    assert [tuple(state.shape[1:]) for state in outputs.hidden_states] == [
        (64, 16, 56, 56),
        (64, 16, 56, 56),
        (128, 8, 28, 28),
        (256, 4, 14, 14),
        (512, 2, 7, 7),
    ]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("widths", "depths"), [((64, 64, 128, 256, 512), (1, 1, 1, 1)), ((4, 4, 6, 8, 10), (2, 1, 3, 1))]
)
def test_it_computes_what_the_released_net_computes(widths, depths, training):
    torch.manual_seed(0)
    reference = unsettled(ReferenceR2Plus1D(widths, depths)).train(training)
    model = R2Plus1DModel(R2Plus1DConfig(hidden_sizes=widths, depths=depths)).train(training)
    copy_net(model, reference)
    # In single precision, batch normalisation over the few pixels of the last stage magnifies rounding to 1e-5.
    model, reference, clips = model.double(), reference.double(), torch.randn(2, 8, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        ours, theirs = model(clips).last_hidden_state, reference(clips.transpose(1, 2))
    assert (ours - theirs).norm() < 1e-12 * theirs.norm()
    torch.testing.assert_close(model.stem.mid_norm.running_mean, reference.conv1.bn.running_mean)


def test_a_first_stage_wider_than_the_stem_has_a_shortcut_too():
    model = R2Plus1DModel(R2Plus1DConfig(hidden_sizes=[4, 6, 8], depths=[1, 1], num_frames=1, image_size=1)).eval()
    assert model(torch.zeros(2, 1, 3, 1, 1)).last_hidden_state.shape == (2, 8, 1, 1, 1)
    assert model(torch.zeros(2, 5, 3, 9, 7)).last_hidden_state.shape == (2, 8, 3, 3, 2)
