import re
import zipfile

import pytest
import torch
import torchvision
from reference_nets import ReferenceC3D, ReferenceR2Plus1D, unsettled
from torch import nn

from hf_selfdistill import C3DModel, C3DVideoProcessor, R2Plus1DModel
from hf_selfdistill.models.conversion import PREPROCESSING, SOURCES, ConversionError, load_foreign_checkpoint

NETS = {
    "c3d": lambda: ReferenceC3D((4, 8, 8, 8, 8)),
    "deeper r2plus1d": lambda: ReferenceR2Plus1D((4, 4, 6, 8, 10), depths=(1, 2, 1, 3)),
}


def rspnet_pretraining(net):
    model = {"queue": torch.randn(16, 32), "queue_ptr": torch.zeros(1, dtype=torch.long)}
    key_encoder = {name: torch.randn(value.shape) for name, value in net.state_dict().items()}
    for encoder, state in (("encoder_q", net.state_dict()), ("encoder_k", key_encoder)):
        model |= {f"{encoder}.encoder.{name}": value for name, value in state.items()}
        model |= {f"{encoder}.{head}.2.{w}": torch.randn(2) for head in ("fc1", "fc2") for w in ("weight", "bias")}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1).state_dict()
    return {"epoch": 200, "arch": "c3d", "model": model, "best_loss": 1.5, "optimizer": optimizer, "scheduler": {}}


def rspnet_finetuning(net):
    model = {f"encoder.{name}": value for name, value in net.state_dict().items()}
    model |= {"fc.weight": torch.randn(5, 8), "fc.bias": torch.randn(5)}
    return {"epoch": 30, "arch": "c3d", "model": model, "best_acc1": 0.5, "optimizer": {}, "scheduler": {}}


def vcop(net):
    state = {f"base_network.{name}": value for name, value in net.state_dict().items()}
    return state | {"fc7.weight": torch.randn(512, 16), "fc7.bias": torch.randn(512), "fc8.bias": torch.randn(6)}


def pace(net):
    return {"epoch": 18, "state_dict": net.state_dict(), "opt_dict": {}}


def pace_on_several_gpus(net):
    return {"epoch": 18, "state_dict": {f"module.{name}": value for name, value in net.state_dict().items()}}


FORMATS = {
    "rspnet": [rspnet_pretraining, rspnet_finetuning],
    "vcop": [vcop],
    "pace": [pace, pace_on_several_gpus],
}
CASES = [(source, layout) for source, layouts in FORMATS.items() for layout in layouts]


def relative_difference(ours, theirs):
    return ((ours - theirs).norm() / theirs.norm()).item()


@pytest.fixture
def saved(tmp_path):
    def save(checkpoint, name="checkpoint.pth.tar"):
        torch.save(checkpoint, tmp_path / name)
        return tmp_path / name

    return save


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("source", "layout"), CASES)
@pytest.mark.parametrize("net", NETS)
def test_a_converted_checkpoint_gives_the_features_of_the_released_net(saved, source, layout, net, training):
    torch.manual_seed(0)  # with some weights all features are 0, and say nothing
    reference = unsettled(NETS[net]()).train(training)
    model, report = load_foreign_checkpoint(saved(layout(reference)), source)
    assert not model.training
    # In double precision: channels summed in another order, as Pace's are, differ by more than 1e-5 in single.
    clips, model, reference = torch.randn(3, 8, 3, 32, 32).double(), model.double(), reference.double()
    with torch.no_grad():
        ours = model.train(training)(clips)
        # Pace was trained on BGR; the converted encoder takes RGB.
        theirs = reference((clips.flip(2) if source == "pace" else clips).transpose(1, 2))
    assert relative_difference(ours.last_hidden_state, theirs) < 1e-10
    assert relative_difference(ours.pooler_output, nn.functional.adaptive_avg_pool3d(theirs, 1).flatten(1)) < 1e-10
    assert sorted(report.matched) == sorted(model.state_dict())
    assert report.complete


def test_heads_the_queue_and_the_key_encoder_are_reported_as_dropped(saved):
    checkpoint = rspnet_pretraining(NETS["c3d"]())
    _, report = load_foreign_checkpoint(saved(checkpoint), "rspnet")
    encoder = [key for key in checkpoint["model"] if key.startswith("encoder_q.encoder.") and ".linear." not in key]
    assert sorted(report.dropped) == sorted(set(checkpoint["model"]) - set(encoder))
    assert len(report.matched) == len(encoder) == 56
    assert {"queue", "encoder_q.fc1.2.weight", "encoder_k.encoder.conv1.weight"} <= set(report.dropped)


def test_the_report_is_a_few_lines_with_counts(saved):
    _, report = load_foreign_checkpoint(saved(vcop(NETS["c3d"]())), "vcop")
    lines = str(report).splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["matched", "56"],
        ["missing", "0"],
        ["unexpected", "0"],
        ["reshaped", "0"],
        ["dropped", "5"],
    ]


def test_widths_and_depths_follow_from_the_file(saved):
    model, _ = load_foreign_checkpoint(saved(pace(NETS["deeper r2plus1d"]())), "pace")
    assert isinstance(model, R2Plus1DModel)
    assert (model.config.hidden_sizes, model.config.depths) == ([4, 4, 6, 8, 10], [1, 2, 1, 3])
    model, _ = load_foreign_checkpoint(saved(pace(NETS["c3d"]())), "pace")
    assert isinstance(model, C3DModel)
    assert (model.config.hidden_sizes, model.config.depths) == ([4, 8, 8, 8, 8], [1, 1, 2, 2, 2])


@pytest.mark.parametrize("training", [False, True])
def test_torchvisions_r2plus1d_18_gives_torchvisions_features(saved, training):
    torch.manual_seed(0)
    reference = unsettled(torchvision.models.video.r2plus1d_18()).train(training)
    model, report = load_foreign_checkpoint(saved(reference.state_dict()), "torchvision")
    assert report.dropped == ["fc.weight", "fc.bias"]
    # In single precision, sums in another order differ by more than 1e-5 after batch normalisation over few pixels.
    clips, model, reference = torch.randn(2, 4, 3, 32, 32).double(), model.double(), reference.double()
    reference.fc = nn.Identity()
    with torch.no_grad():
        features = model.train(training)(clips).pooler_output
        assert relative_difference(features, reference(clips.transpose(1, 2))) < 1e-10


def test_a_converted_encoder_survives_save_and_load(saved, tmp_path):
    model, _ = load_foreign_checkpoint(saved(torchvision.models.video.r2plus1d_18().state_dict()), "torchvision")
    model.save_pretrained(tmp_path / "encoder")
    loaded = R2Plus1DModel.from_pretrained(tmp_path / "encoder")
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("said", "is_source"), [("rspnet", "pace"), ("rspnet", "vcop"), ("vcop", "rspnet"), ("pace", "vcop")]
)
def test_a_wrong_source_is_answered_with_the_right_one(saved, said, is_source):
    path = saved(FORMATS[is_source][0](NETS["c3d"]()))
    with pytest.raises(ConversionError, match=rf"checkpoint\.pth\.tar as a {said}.*set `source` to {is_source}\."):
        load_foreign_checkpoint(path, said)


def test_torchvisions_checkpoint_is_recognised_as_such(saved):
    path = saved(torchvision.models.video.r2plus1d_18().state_dict())
    with pytest.raises(ConversionError, match="set `source` to torchvision"):
        load_foreign_checkpoint(path, "vcop")


def test_a_missing_weight_is_named(saved):
    checkpoint = rspnet_finetuning(NETS["c3d"]())
    del checkpoint["model"]["encoder.conv3b.bias"]
    with pytest.raises(ConversionError, match=r"missing +1  stages\.2\.layers\.1\.conv\.bias"):
        load_foreign_checkpoint(saved(checkpoint), "rspnet")


def test_an_unknown_weight_is_named(saved):
    checkpoint = vcop(NETS["c3d"]()) | {"base_network.attention.weight": torch.ones(1)}
    with pytest.raises(ConversionError, match=r"unexpected +1  base_network\.attention\.weight"):
        load_foreign_checkpoint(saved(checkpoint), "vcop")


def test_a_weight_of_another_shape_is_named_with_both_shapes(saved):
    net = NETS["deeper r2plus1d"]()
    net.conv2.block1.conv1.temporal_conv.weight = nn.Parameter(torch.ones(4, 5, 3, 1, 1))
    with pytest.raises(ConversionError, match=r"temporal\.weight \(4, 5, 3, 1, 1\) for \(4, 9, 3, 1, 1\)"):
        load_foreign_checkpoint(saved(pace(net)), "pace")


def test_resnet_18_of_rspnet_is_refused_by_name(saved):
    state = torchvision.models.video.r3d_18().state_dict()
    names = {"stem.0.": "conv1.", "stem.1.": "bn1."}
    state = {names.get(key[:7], key[:7]) + key[7:]: value for key, value in state.items()}
    checkpoint = {"arch": "resnet18", "model": {f"encoder_q.encoder.{key}": value for key, value in state.items()}}
    with pytest.raises(ConversionError, match=r"ResNet-18\. Only C3D with batch normalisation"):
        load_foreign_checkpoint(saved(checkpoint), "rspnet")


def test_c3d_without_batch_normalisation_is_refused_by_name(saved):
    state = {key: value for key, value in NETS["c3d"]().state_dict().items() if key.startswith("conv")}
    with pytest.raises(ConversionError, match="without batch normalisation"):
        load_foreign_checkpoint(saved(state | {"fc6.weight": torch.ones(2, 2)}), "vcop")


def test_mmaction2_is_refused_with_the_reason(saved):
    with pytest.raises(ConversionError, match=r"allowed are rspnet, vcop, pace, torchvision\. mmaction2's C3D has no"):
        load_foreign_checkpoint(saved({"state_dict": {}}), "mmaction2")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint_is_refused_by_its_name(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(ConversionError, match=r"weights\.pth"):
        load_foreign_checkpoint(path, "rspnet")


def test_a_checkpoint_that_would_run_code_is_refused(saved, tmp_path):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = saved({"model": Harmful()})
    with pytest.raises(ConversionError, match="load it and save its state dict"):
        load_foreign_checkpoint(path, "rspnet")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [torch.ones(3), [1, 2], {1: torch.ones(1)}])
def test_a_file_without_named_weights_is_refused(saved, content):
    with pytest.raises(ConversionError, match="not a dictionary of weights"):
        load_foreign_checkpoint(saved(content), "vcop")


def test_sizes_that_would_fill_the_memory_are_refused_before_a_network_is_built(saved, tmp_path, monkeypatch):
    bomb = tmp_path / "bomb.pth.tar"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**8))
    state = {f"module.{name}": value for name, value in NETS["deeper r2plus1d"]().state_dict().items()}
    norm = torch.zeros(1)
    many = state | {"module.conv2.blocks.2000000.bn2.weight": norm}
    wide = state | {name: norm.expand(10**9) for name in state if name.endswith("bn2.weight")}
    sparse = state | {"module.conv1.spatial_conv.weight": torch.zeros(4, 3, 1, 7, 7).to_sparse()}
    built = []
    monkeypatch.setattr(R2Plus1DModel, "__init__", lambda *a: built.append(a))
    for path in (bomb, *(saved({"state_dict": s}, f"{i}.pth.tar") for i, s in enumerate((many, wide, sparse)))):
        with pytest.raises(ConversionError, match=re.escape(str(path))) as error:
            load_foreign_checkpoint(path, "pace")
        assert len(str(error.value)) < 1500
    assert not built


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConversionError, match=r"nowhere\.pth is not a file"):
        load_foreign_checkpoint(tmp_path / "nowhere.pth", "rspnet")


def test_each_source_resizes_as_in_its_training():
    resizing = {source: PREPROCESSING[source]["antialias"] for source in SOURCES}
    assert resizing == {"rspnet": False, "vcop": True, "pace": False, "torchvision": False}


def test_every_source_has_preprocessing_that_the_processor_takes():
    frames = torch.full((16, 3, 128, 171), 51, dtype=torch.uint8)
    means = {"rspnet": (0.2 - 0.485) / 0.229, "vcop": 0.2, "pace": 51.0, "torchvision": (0.2 - 0.43216) / 0.22803}
    for source in SOURCES:
        clip = C3DVideoProcessor(**PREPROCESSING[source])(frames, return_tensors="pt").pixel_values
        assert clip.shape == (1, 16, 3, 112, 112)
        assert clip[0, :, 0].mean().item() == pytest.approx(means[source], rel=1e-4)
