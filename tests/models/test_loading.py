import json
import logging

import pytest
import torch
from transformers import PreTrainedConfig

from hf_selfdistill import C3DConfig, C3DForVideoClassification, C3DVideoProcessor, R2Plus1DConfig
from hf_selfdistill.models.loading import (
    frames_per_clip,
    load_classifier,
    load_encoder,
    load_for_features,
    load_for_inference,
)

LABELS = ["walk", "run"]


@pytest.fixture
def saved(tmp_path):
    config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, id2label=dict(enumerate(LABELS)))
    C3DForVideoClassification(config).save_pretrained(tmp_path / "model")
    C3DVideoProcessor().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def load(name, labels=LABELS, **others):
    return load_classifier(str(name), labels, **others)


@pytest.mark.parametrize("name", ["c3d", "r2plus1d"])
def test_a_new_encoder_resizes_without_antialiasing_as_in_rspnet(name):
    _, processor = load(name, config_overrides="hidden_sizes=4,4,4,4,4")
    assert not processor.antialias


def test_overrides_shape_a_new_model_and_its_processor():
    overrides = "hidden_sizes=4,8,8,8,8,image_size=32,num_frames=8"
    model, processor = load("c3d", config_overrides=overrides)
    assert model.config.hidden_sizes == [4, 8, 8, 8, 8]
    assert (frames_per_clip(model.config), processor.num_frames, processor.crop_size["height"]) == (8, 8, 32)
    assert model.config.id2label == {0: "walk", 1: "run"}


@pytest.mark.parametrize("wrong", ["widths=3", "image_size=", "hidden_sizes=4,[8"])
def test_a_wrong_override_is_named(wrong):
    with pytest.raises(ValueError, match="`config_overrides`"):
        load("c3d", config_overrides=wrong)


def test_a_classifier_of_the_same_classes_keeps_its_head(saved):
    model, _ = load(saved)
    assert torch.equal(model.classifier.weight, C3DForVideoClassification.from_pretrained(saved).classifier.weight)


@pytest.mark.parametrize("labels", [["run", "walk"], ["sit", "stand"], ["a", "b", "c"]])
def test_other_classes_or_another_order_get_a_new_head_said_aloud(saved, labels, caplog):
    old = C3DForVideoClassification.from_pretrained(saved)
    with caplog.at_level(logging.WARNING):
        model, _ = load(saved, labels)
    assert "new head" in caplog.text
    assert model.classifier.weight.shape[0] == len(labels)
    if len(labels) == 2:
        assert not torch.equal(model.classifier.weight, old.classifier.weight)
    assert torch.equal(model.state_dict()["encoder.stages.0.layers.0.conv.weight"], next(old.encoder.parameters()))


def rewrite_config(saved, **changes):
    config = json.loads((saved / "config.json").read_text()) | changes
    (saved / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("loads", [load, lambda name: load_for_inference(str(name))], ids=["finetune", "inference"])
@pytest.mark.parametrize(
    "changes",
    [{"hidden_sizes": [4, 8, 8, 8, 6]}, {"model_type": "r2plus1d", "depths": [1, 1, 1, 1]}],
    ids=["other widths", "other architecture"],
)
def test_weights_of_another_encoder_are_refused_and_not_replaced_by_random_ones(saved, changes, loads):
    rewrite_config(saved, **changes)
    with pytest.raises(ValueError, match=r"do not fit its config\.json"):
        loads(saved)


@pytest.mark.parametrize("loads", [load, load_for_inference, load_for_features, load_encoder])
@pytest.mark.parametrize("name", ["./nosuch", "out/nosuch", "a/b/nosuch", "/tmp/nosuch", "nosuch"])
def test_a_folder_that_is_not_there_is_named_with_the_form_of_a_name_on_the_hub(name, loads):
    with pytest.raises(
        OSError, match=f"^`model_name_or_path` {name} is not a folder, and names on the Hub have the form user/model; "
    ):
        loads(name)


def test_a_name_without_a_user_is_refused_without_asking_the_hub(monkeypatch):
    def ask(name, **options):
        pytest.fail("asked the Hub")

    monkeypatch.setattr(PreTrainedConfig, "get_config_dict", ask)
    with pytest.raises(OSError, match=r"form user/model; check the path$"):
        load("ENCODERR")


def test_what_the_hub_says_of_a_name_is_passed_on(monkeypatch):
    def refuse(name, **options):
        raise OSError(f"{name} is a gated repository\nPlease log in")

    monkeypatch.setattr(PreTrainedConfig, "get_config_dict", refuse)
    with pytest.raises(OSError, match=r"did not give it: user/secret is a gated repository Please log in$"):
        load("user/secret")


def test_what_is_no_classifier_is_refused_with_both_ways_to_make_one(saved):
    C3DForVideoClassification.from_pretrained(saved).encoder.save_pretrained(saved)
    with pytest.raises(ValueError, match="first: hf-selfdistill finetune --model_name_or_path"):
        load_for_inference(str(saved))


def test_weights_stored_in_half_precision_are_trained_in_single(saved):
    C3DForVideoClassification.from_pretrained(saved).to(torch.bfloat16).save_pretrained(saved)
    assert {p.dtype for p in load(saved)[0].parameters()} == {torch.float32}
    assert {p.dtype for p in load_for_inference(str(saved))[0].parameters()} == {torch.float32}


def test_a_config_without_a_number_of_frames_is_refused():
    config = R2Plus1DConfig()
    del config.num_frames
    with pytest.raises(ValueError, match="none of num_frames, frames_per_clip"):
        frames_per_clip(config)


CONFIG = {"model_type": "unknown", "auto_map": {"AutoConfig": "custom.Config"}}
MODEL = {
    "model_type": "bert",
    "architectures": ["CustomForVideoClassification"],
    "auto_map": {"AutoModelForVideoClassification": "custom.Config"},
}
PROCESSOR = {"video_processor_type": "Unknown", "auto_map": {"AutoVideoProcessor": "custom.Config"}}


@pytest.mark.parametrize(
    ("file", "changes", "loads"),
    [
        *[("config.json", CONFIG, loads) for loads in (load, load_for_inference, load_for_features, load_encoder)],
        *[("config.json", MODEL, loads) for loads in (load, load_for_inference, load_for_features)],
        *[("video_preprocessor_config.json", PROCESSOR, loads) for loads in (load, load_for_inference, load_encoder)],
    ],
)
def test_custom_code_is_refused_in_one_line_and_neither_run_nor_asked_about(saved, file, changes, loads, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *text: pytest.fail("a question on the terminal"))
    (saved / "custom.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    (saved / file).write_text(json.dumps(json.loads((saved / file).read_text()) | changes))
    with pytest.raises(ValueError, match="needs custom code, which is never run; use a model that") as refused:
        loads(str(saved))
    assert "\n" not in str(refused.value) and not (saved / "ran").exists()
