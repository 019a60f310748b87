"""Exported classifiers give the logits of the model, for any number of clips."""

from __future__ import annotations

import pytest
import torch
from tiny_classifiers import FRAMES, SIZE, tiny_model

from hf_selfdistill import (
    C3DConfig,
    C3DForVideoClassification,
    R2Plus1DConfig,
    R2Plus1DForVideoClassification,
)
from hf_selfdistill.hub.export import export_classifier

OURS = {
    "c3d": lambda: C3DForVideoClassification(
        C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=SIZE, num_labels=3)
    ),
    "r2plus1d": lambda: R2Plus1DForVideoClassification(
        R2Plus1DConfig(hidden_sizes=[4, 4, 8, 8, 8], num_frames=8, image_size=SIZE, num_labels=3)
    ),
}


def classifier(architecture):
    torch.manual_seed(0)
    model = OURS[architecture]() if architecture in OURS else tiny_model(architecture)
    return model.eval(), torch.randn(5, 8 if architecture in OURS else FRAMES, 3, SIZE, SIZE)


def run_onnx(file, clips):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"pixel_values": clips.numpy()})[0])


def run_torch(file, clips):
    return torch.export.load(file).module()(clips)


@torch.no_grad()
@pytest.mark.parametrize("architecture", [*OURS, "videomae"])
@pytest.mark.parametrize(("form", "run"), [("onnx", run_onnx), ("torch_export", run_torch)])
def test_exported_logits_equal_the_models_for_any_number_of_clips(architecture, form, run, tmp_path):
    model, clips = classifier(architecture)
    file = export_classifier(model, clips[:2], form, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [file.name]
    for number in (1, 2, 5):
        logits = run(file, clips[:number])
        torch.testing.assert_close(logits, model(clips[:number]).logits, rtol=0, atol=1e-4)


def test_a_failed_export_is_one_line(tmp_path):
    model, clips = classifier("c3d")
    model.classifier.forward = lambda features: features[:, : int(features.sum() > 0) + 1]
    with pytest.raises(ValueError, match=r"a c3d can't be exported as torch_export: .+") as raised:
        export_classifier(model, clips[:2], "torch_export", tmp_path)
    assert "\n" not in str(raised.value)
