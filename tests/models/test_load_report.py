"""Fine-tuning begins from an encoder without alarm, and what is really amiss with its weights is said."""

from __future__ import annotations

import logging

import pytest
from safetensors.torch import load_file, save_file
from tiny_classifiers import save_checkpoint, tiny_model, tiny_processor
from transformers import VideoMAEForPreTraining

from hf_selfdistill.models.load_report import without_load_report
from hf_selfdistill.models.loading import load_classifier


@pytest.fixture(autouse=True)
def transformers_is_heard(monkeypatch):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)


@pytest.fixture
def said(caplog):
    """Loads a classifier of three classes and hands back what was said, by transformers too."""

    def load(folder):
        caplog.clear()
        load_classifier(str(folder), ["a", "b", "c"])
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    return load


def rewrite(folder, change):
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})
    return folder


def test_an_encoder_gets_its_head_in_one_calm_line(said, tmp_path):
    folder = save_checkpoint(tiny_model("vivit").base_model, tiny_processor("vivit"), tmp_path / "encoder")
    assert said(folder) == [f"{folder}: new head of 3 classes (classifier), not trained yet"]


def test_what_else_belongs_to_the_head_of_an_encoder_is_named_in_the_same_line(said, tmp_path):
    encoder = VideoMAEForPreTraining(tiny_model("videomae").config)
    folder = save_checkpoint(encoder, tiny_processor("videomae"), tmp_path / "encoder")
    first, *rest = said(folder)
    assert first == f"{folder}: new head of 3 classes (classifier, fc_norm), not trained yet"
    (left_out,) = rest  # the decoder of pre-training
    assert left_out.startswith(f"{folder}: ") and left_out.endswith(
        " weights are not used, as the model has no layers for them: decoder, encoder_to_decoder, mask_token"
    )


def test_a_head_with_a_gap_is_told(said, tmp_path):
    folder = save_checkpoint(tiny_model("videomae"), tiny_processor("videomae"), tmp_path / "whole")
    whole = said(folder)
    rewrite(folder, lambda weights: {name: value for name, value in weights.items() if "fc_norm" not in name})
    assert set(said(folder)) - set(whole) == {f"{folder} lacks weights of fc_norm: they start at random"}


def test_a_gap_in_the_encoder_is_refused(said, tmp_path):
    folder = save_checkpoint(tiny_model("vivit"), tiny_processor("vivit"), tmp_path / "whole")
    rewrite(folder, lambda weights: {name: value for name, value in weights.items() if "layernorm.weight" not in name})
    with pytest.raises(ValueError, match=r"do not fit its config\.json, a vivit: 1 of the encoder's weights are"):
        said(folder)


def test_the_table_is_kept_back_at_that_load_alone(caplog):
    teller = logging.getLogger("transformers.modeling_utils")
    with without_load_report():
        teller.warning("ViViT LOAD REPORT from: here")
        teller.warning("something else")
    teller.warning("ViViT LOAD REPORT from: there")
    assert [record.getMessage() for record in caplog.records] == ["something else", "ViViT LOAD REPORT from: there"]
