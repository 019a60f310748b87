from __future__ import annotations

import shutil

import pytest
import torch
from transformers import AutoConfig, AutoModelForVideoClassification, AutoVideoProcessor

from hf_selfdistill.cli import export as command
from hf_selfdistill.training.card import KEPT


def export(model, folder, **flags):
    flags = {"model_name_or_path": model, "output_dir": folder, **flags}
    command.main([word for name, value in flags.items() for word in (f"--{name}", str(value))])


@torch.no_grad()
def test_a_fine_tuned_model_is_exported_with_its_processor_and_its_classes(fine_tuned, shapes, tmp_path):
    export(fine_tuned, tmp_path / "out", format="torch_export")
    model = AutoModelForVideoClassification.from_pretrained(fine_tuned)
    processor, video = AutoVideoProcessor.from_pretrained(tmp_path / "out"), next(shapes.glob("*/*.mp4"))
    clips = processor(str(video), return_tensors="pt")
    exported = torch.export.load(tmp_path / "out" / "model.pt2").module()
    torch.testing.assert_close(exported(clips["pixel_values"]), model(**clips).logits, rtol=0, atol=1e-4)
    assert AutoConfig.from_pretrained(tmp_path / "out").id2label == model.config.id2label


def test_an_export_to_onnx_says_one_line(fine_tuned, tmp_path, caplog, capsys):
    pytest.importorskip("onnxscript")
    with caplog.at_level("INFO"):
        export(fine_tuned, tmp_path / "out")
    (line,) = caplog.messages
    assert line.startswith("The exported model is ") and capsys.readouterr().out == ""


def test_an_unknown_format_is_one_line(fine_tuned, tmp_path, capsys):
    with pytest.raises(SystemExit):
        export(fine_tuned, tmp_path / "out", format="tflite")
    assert "onnx" in capsys.readouterr().err.splitlines()[-1] and not (tmp_path / "out").exists()


@torch.no_grad()
def test_the_code_goes_beside_the_weights_with_the_card_and_its_picture(fine_tuned, shapes, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(fine_tuned, source)
    (source / "training_curves.png").write_bytes(b"picture")
    export(source, tmp_path / "out", format="remote_code")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"model.safetensors", "modeling_c3d.py", "video_processing_c3d.py", "training_curves.png"} < written
    before, after = ((folder / "README.md").read_text() for folder in (source, tmp_path / "out"))
    assert after.startswith(before.partition(KEPT)[0].rstrip()) and "trust_remote_code=True" in after
    clips = AutoVideoProcessor.from_pretrained(source)(str(next(shapes.glob("*/*.mp4"))), return_tensors="pt")
    models = [AutoModelForVideoClassification.from_pretrained(folder) for folder in (source, tmp_path / "out")]
    assert torch.equal(models[0](**clips).logits, models[1](**clips).logits)


def test_nothing_is_written_into_the_folder_of_the_model(fine_tuned):
    before = sorted(fine_tuned.iterdir())
    with pytest.raises(SystemExit, match="is the folder of the model; name another one"):
        export(fine_tuned, fine_tuned, format="remote_code")
    assert sorted(fine_tuned.iterdir()) == before


def test_a_model_without_a_card_gets_one(fine_tuned, tmp_path):
    ignored = shutil.ignore_patterns("README.md", "*.png", "checkpoint-*")
    shutil.copytree(fine_tuned, tmp_path / "source", ignore=ignored)
    export(tmp_path / "source", tmp_path / "out", format="remote_code")
    assert "trust_remote_code=True" in (tmp_path / "out" / "README.md").read_text()
    assert not list((tmp_path / "out").glob("*.png"))


def test_a_folder_that_can_not_be_written_is_refused_before_the_model_is_loaded(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"error: .*Not a directory"):
        export("no model", tmp_path / "file" / "out")
