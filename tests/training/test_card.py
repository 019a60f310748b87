import pytest
from huggingface_hub import ModelCard

from hf_selfdistill.training.card import KEPT, describe_rate, write_card
from hf_selfdistill.training.record import Input, Result, RunRecord


@pytest.fixture
def record():
    return RunRecord(
        "finetune",
        {"distill_weight": 10},
        inputs={"train": Input("a" * 64, 30), "test": Input("b" * 64, 6), "encoder": Input("c" * 64)},
        model={
            "architecture": "C3DForVideoClassification",
            "model_type": "c3d",
            "base": "user/encoder",
            "classes": ["run", "jump"],
            "num_frames": 16,
            "frame_stride": 2,
            "target_fps": None,
            "dataset": "ucf101",
            "split": 1,
            "pretrained_by": "rspnet",
            "validation_protocol": "ucf101 split 1 validation, 1 clip",
        },
        description={"method": {"λ": "10"}},
        weights="w",
        card={"license": "mit", "tags": ["mine"]},
    )


def accuracies(protocol, top1):
    values = {"video_top1": top1, "video_top5": 1.0, "clip_top1": top1, "clip_top5": 1.0}
    return {"protocol": protocol, "num_videos": 6, **values}


def test_the_card_is_rendered_from_the_record(record, tmp_path):
    record.results = [Result("classification", "w", accuracies("ucf101 split 1 test", 0.5))]
    write_card(tmp_path, record)
    card = ModelCard.load(tmp_path / "README.md")
    assert "fine-tuned from `user/encoder` to classify videos into 2 classes" in card.text
    assert "Data set `ucf101`, split 1." in card.text and f"| test | 6 | `{'b' * 64}` |" in card.text
    assert "| ucf101 split 1 test | 6 | 0.500 | 0.500 |" in card.text and "| λ | 10 |" in card.text
    assert card.data.license == "mit" and "mine" in card.data.tags and card.data.base_model == "user/encoder"
    assert [entry.metric_value for entry in card.data.eval_results] == [0.5]
    assert "RSPNet" in card.text and "{{" not in card.text and "None" not in card.text


def test_results_of_other_weights_are_not_shown(record, tmp_path):
    record.results = [Result("classification", "v", accuracies("an old test", 0.5))]
    write_card(tmp_path, record)
    text = (tmp_path / "README.md").read_text()
    assert "an old test" not in text and "Nothing has been measured yet." in text


def test_the_baseline_stands_beside_the_test_and_not_in_the_metadata(record, tmp_path):
    values = {**accuracies("a test", 0.5), "baseline": accuracies("a test", 0.25)}
    record.results = [Result("classification", "w", values)]
    write_card(tmp_path, record)
    card = ModelCard.load(tmp_path / "README.md")
    assert "| a test — the same with λ = 0 | 6 | 0.250 |" in card.text
    assert [entry.metric_value for entry in card.data.eval_results] == [0.5]


def test_what_a_person_wrote_below_the_line_stays(record, tmp_path):
    write_card(tmp_path, record)
    file = tmp_path / "README.md"
    file.write_text(file.read_text() + "my own words\n")
    write_card(tmp_path, record)
    assert file.read_text().endswith(f"{KEPT}\nmy own words\n") and file.read_text().count(KEPT) == 1


def test_an_encoder_has_a_table_of_frozen_features(record, tmp_path):
    record.task = "pretrain"
    record.model["videos"] = "Every video below `videos`"
    values = {"knn_top1": 0.5, "num_videos": 6, "protocol": "test against 30 videos"}
    record.results = [Result("knn", "w", values)]
    write_card(tmp_path, record)
    text = (tmp_path / "README.md").read_text()
    assert "Every video below `videos`: 30 videos" in text and "| knn | top-1 0.500 | 6 | test against 30" in text
    assert "pre-trained on videos without labels by `rspnet`" in text


def test_the_rate_of_a_clip_is_described():
    assert describe_rate(2, None) == "stride 2" and describe_rate(1, 12.5) == "stride 1 at 12.5 fps"
