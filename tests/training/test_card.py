"""The card of a record, read as people and as the Hub read it."""

from __future__ import annotations

import re

import pytest
from huggingface_hub import ModelCard
from records import classified, fine_tuning, knn

from hf_selfdistill.training.card import CARD, CURVES, KEPT, REPORT, describe_rate, write_card
from hf_selfdistill.training.record import Input, RunRecord

ENCODER = {
    "architecture": "C3DModel",
    "model_type": "c3d",
    "base": None,
    "num_frames": 8,
    "frame_stride": 1,
    "target_fps": None,
    "pretrained_by": "pace",
    "videos": "Every video below `clips`",
}


@pytest.fixture
def card_of(tmp_path):
    def write(record):
        write_card(tmp_path, record)
        return ModelCard.load(tmp_path / CARD)

    return write


def pre_training(**fields):
    description = {"objective": {"max_pace": "4"}}
    return RunRecord("pretrain", status="finished", weights="saved", model=ENCODER, description=description, **fields)


def sections(card):
    return dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", card.text, re.M | re.S))


def rows(text):
    return [line for line in text.splitlines() if line.startswith("| ")][2:]


def test_the_card_names_classes_data_method_and_settings(card_of):
    card = card_of(fine_tuning())
    parts = sections(card)
    assert "fine-tuned from `encoder` to classify videos into 2 classes" in card.text
    assert "Classes: run, walk." in card.text and "with epoch-wise self-distillation" in card.text
    assert "Data set `ucf101`, split 2." in parts["Training data"]
    assert f"| train | 12 | `{'a' * 64}` |" in parts["Training data"] and "e" * 64 not in parts["Training data"]
    assert "| λ | 10 |" in parts["Training"] and "| learning rate | 0.05 |" in parts["Training"]
    assert "A clip is 8 frames, stride 2;" in parts["How to use it"]
    assert "zhou2022preserve" in parts["Citation"] and "RSPNet" in parts["Citation"]
    assert "None" not in card.text and "{{" not in card.text


def test_a_run_with_lambda_0_is_plain_fine_tuning(card_of):
    card = card_of(fine_tuning(config={"distill_weight": 0}, model={"base": None}))
    assert "trained from random weights" in card.text and "λ = 0: without self-distillation" in card.text
    assert "teacher" not in card.text


def test_a_model_of_transformers_is_used_with_the_pipeline_of_this_package(card_of):
    code = sections(card_of(fine_tuning(model={"model_type": "videomae"})))["How to use it"]
    assert "pipeline_class=MultiClipPipeline" in code and "import hf_selfdistill " not in code


def test_accuracies_are_those_of_the_saved_weights_in_text_and_metadata(card_of):
    card = card_of(fine_tuning(results=[classified("before", "other"), classified()]))
    assert rows(sections(card)["Results"]) == [
        "| ucf101 split 2 validation, 1 clip | 8 | 0.625 | 0.500 |",
        "| ucf101 split 2 test, 10 clips | 4 | 0.750 | 0.700 |",
    ]
    shown = [(entry.metric_name, entry.metric_value, entry.dataset_split) for entry in card.data.eval_results]
    assert shown == [("video top-1", 0.625, "validation"), ("video top-1", 0.75, "test")]
    assert card.data.eval_results[1].dataset_args == {"protocol": "ucf101 split 2 test, 10 clips"}


def test_the_baseline_has_a_row_and_is_not_a_result_of_the_model(card_of):
    baseline = classified().values | {"video_top1": 0.125}
    card = card_of(fine_tuning(results=[classified(baseline=baseline)]))
    assert "| ucf101 split 2 test, 10 clips — the same with λ = 0 | 4 | 0.125 | 0.700 |" in card.text
    assert 0.125 not in [entry.metric_value for entry in card.data.eval_results]


def test_without_any_result_the_card_claims_nothing(card_of):
    card = card_of(fine_tuning(metrics={}, results=[classified("before")]))
    assert "Nothing has been measured yet." in sections(card)["Results"] and card.data.eval_results is None


def test_chance_and_a_class_that_all_videos_are_predicted_as_are_named(card_of):
    alike = [{"label": label, "predicted": "walk"} for label in ("run", "walk")]
    results = [classified(), classified(protocol="my test", predictions=alike)]
    text = sections(card_of(fine_tuning(results=results)))["Results"]
    assert "\nChance is 50.0 %. In the test part, all videos were predicted as walk.\n" in text
    assert "Chance is" not in card_of(fine_tuning(metrics={})).text


@pytest.mark.parametrize(("classes", "shown"), [(5, False), (6, True)])
def test_top_5_is_shown_for_more_than_five_classes(card_of, classes, shown):
    names = [f"class {number}" for number in range(classes)]
    assert ("video top-5" in card_of(fine_tuning(model={"classes": names})).text) == shown


def test_classes_with_odd_names_leave_the_card_readable(card_of):
    odd = ['say "hi": | now', "{{ name }}", "<b>", "péché ☂", "- item", "2024-01-01"]
    card = card_of(fine_tuning(model={"classes": odd}, results=[classified()]))
    assert r'Classes: say "hi": \| now, {{ name }}, \<b\>, péché ☂, - item, 2024-01-01.' in card.text
    assert card.data.eval_results[0].metric_value == 0.625
    assert list(sections(card))[-1] == "Citation"


def test_a_line_break_in_a_name_adds_no_section_and_no_row(card_of):
    evil = "x\n\n## Licence\n\nThe weights: MIT.\x1b[31m"
    record = fine_tuning(
        model={"classes": [evil, "run"], "dataset": evil, "base": evil},
        card={"license": evil, "model_name": evil},
        description={"data": {evil: "a | b\n| c | d |"}},
        results=[classified(protocol=evil)],
    )
    card = card_of(record)
    assert len(re.findall("^## Licence", card.text, re.M)) == 1 and "\x1b" not in card.text
    assert r"a \| b \| c \| d \|" in card.text and len(rows(sections(card)["Results"])) == 2


def test_of_many_classes_the_first_fifty_are_named(card_of):
    card = card_of(fine_tuning(model={"classes": [f"c{number}" for number in range(60)]}))
    assert "c49, … (all in `config.json`)." in card.text and "c50" not in card.text


def test_licence_language_and_tags_are_in_the_metadata(card_of):
    given = {"license": "apache-2.0", "language": "en", "tags": ["mine"], "hub_model_id": "user/model"}
    card = card_of(fine_tuning(card=given, model={"base": "user/encoder", "dataset": "user/videos"}))
    data = card.data
    assert (data.license, data.language, data.library_name) == ("apache-2.0", "en", "transformers")
    assert (data.base_model, data.datasets) == ("user/encoder", "user/videos")
    assert data.pipeline_tag == "video-classification"
    assert data.tags == ["hf_selfdistill", "self-distillation", "generated_from_trainer", "c3d", "mine"]
    assert "# model\n" in card.text and 'model="user/model"' in card.text and "The weights: apache-2.0." in card.text


def test_local_names_are_not_metadata_and_a_missing_licence_is_said(card_of):
    card = card_of(fine_tuning())
    assert card.data.base_model is card.data.datasets is card.data.license is None
    assert "No licence was given for the weights" in sections(card)["Licence"]


def test_text_below_the_line_survives_and_text_above_it_is_rendered_again(card_of, tmp_path):
    card_of(fine_tuning())
    file = tmp_path / CARD
    file.write_text(file.read_text().replace("Classes: run", "My classes: run") + "\nmy own words\n")
    text = card_of(fine_tuning()).content
    assert text.endswith(f"{KEPT}\n\nmy own words\n") and "My classes" not in text and text.count(KEPT) == 1


def test_curves_and_report_are_linked_if_they_lie_in_the_folder(card_of, tmp_path):
    assert CURVES not in card_of(fine_tuning()).text and REPORT not in card_of(fine_tuning()).text
    (tmp_path / CURVES).write_bytes(b"")
    (tmp_path / REPORT).write_text("")
    text = card_of(fine_tuning()).text
    assert f"![Training curves]({CURVES})" in text and f"[{REPORT}]({REPORT})" in text


def test_the_card_of_an_encoder_names_objective_videos_and_frozen_features(card_of):
    record = pre_training(inputs={"train": Input("a" * 64, 12)}, results=[knn("before", "other"), knn()])
    card = card_of(record)
    assert "pre-trained on videos without labels by `pace`, from random weights." in card.text
    assert f"Every video below `clips`: 12 videos, SHA-256 of their names `{'a' * 64}`" in card.text
    assert "| max_pace | 4 |" in card.text and "AutoModel.from_pretrained" in card.text
    assert "| knn | top-1 0.500 | 4 | ucf101 test against 12 videos |" in sections(card)["Frozen features"]
    assert "other" not in sections(card)["Frozen features"]
    assert card.data.tags == ["hf_selfdistill", "self-supervised", "video", "pace", "c3d"]
    assert "Pace Prediction" in card.text and card.data.pipeline_tag is None


def test_an_encoder_that_was_trained_on_a_stream_has_no_count_and_no_results(card_of):
    text = card_of(pre_training()).text
    assert "\nEvery video below `clips`.\n" in text and "SHA-256" not in text
    assert "Nothing has been measured yet." in text


@pytest.mark.parametrize(("fps", "described"), [(None, "stride 2"), (12.5, "stride 2 at 12.5 fps")])
def test_the_rate_of_frames_is_described(fps, described):
    assert describe_rate(2, fps) == described
