import pytest

from hf_selfdistill.models.weight_names import rename_c3d, rename_r2plus1d, rename_torchvision_r2plus1d


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv1.weight", "stages.0.layers.0.conv.weight"),
        ("bn2.running_var", "stages.1.layers.0.norm.running_var"),
        ("conv3a.bias", "stages.2.layers.0.conv.bias"),
        ("bn5b.num_batches_tracked", "stages.4.layers.1.norm.num_batches_tracked"),
        ("layer1.0.conv1.weight", None),
        ("fc6.weight", None),
    ],
)
def test_c3d(theirs, ours):
    assert rename_c3d(theirs) == ours


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv1.spatial_conv.weight", "stem.spatial.weight"),
        ("conv1.bn.bias", "stem.mid_norm.bias"),
        ("conv1.temporal_conv.weight", "stem.temporal.weight"),
        ("bn1.running_mean", "stem.norm.running_mean"),
        ("conv2.block1.conv1.spatial_conv.weight", "stages.0.blocks.0.conv1.spatial.weight"),
        ("conv3.block1.conv2.bn.weight", "stages.1.blocks.0.conv2.mid_norm.weight"),
        ("conv4.block1.bn2.weight", "stages.2.blocks.0.norm2.weight"),
        ("conv5.block1.downsampleconv.temporal_conv.weight", "stages.3.blocks.0.shortcut.temporal.weight"),
        ("conv5.block1.downsampleconv.bn.bias", "stages.3.blocks.0.shortcut.mid_norm.bias"),
        ("conv5.block1.downsamplebn.bias", "stages.3.blocks.0.shortcut.norm.bias"),
        ("conv3.blocks.1.bn1.bias", "stages.1.blocks.2.norm1.bias"),
        ("conv3.block1.attention.weight", None),
        ("conv1.weight", None),
    ],
)
def test_r2plus1d(theirs, ours):
    assert rename_r2plus1d(theirs) == ours


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stem.0.weight", "stem.spatial.weight"),
        ("stem.4.bias", "stem.norm.bias"),
        ("layer1.1.conv2.0.1.weight", "stages.0.blocks.1.conv2.mid_norm.weight"),
        ("layer2.0.conv1.0.3.weight", "stages.1.blocks.0.conv1.temporal.weight"),
        ("layer3.0.conv2.1.running_var", "stages.2.blocks.0.norm2.running_var"),
        ("layer4.0.downsample.0.weight", "stages.3.blocks.0.shortcut.conv.weight"),
        ("layer4.0.downsample.1.weight", "stages.3.blocks.0.shortcut.norm.weight"),
        ("layer1.0.conv1.0.weight", None),
    ],
)
def test_torchvisions_r2plus1d(theirs, ours):
    assert rename_torchvision_r2plus1d(theirs) == ours
