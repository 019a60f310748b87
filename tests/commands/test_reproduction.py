from __future__ import annotations

import dataclasses

import pytest
from hf_selfdistill.commands.provenance import hash_of_model

from hf_selfdistill.cli import finetune, pretrain, reproduction
from hf_selfdistill.commands.reproduction import (
    Row,
    Sources,
    finetuning_step,
    from_its_encoder,
    pretraining_step,
    rows_of,
)
from hf_selfdistill.experiments.smoke_videos import write_smoke_videos

BOTH = {"ucf101": ("UCF-101", None), "hmdb51": ("hmdb51_org", None)}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return write_smoke_videos(tmp_path_factory.mktemp("smoke"))


@pytest.fixture
def sources(videos, tmp_path):
    """Of a smoke run."""
    places = {
        "ucf101": (videos.ucf101_root, videos.ucf101_annotations),
        "hmdb51": (videos.hmdb51_root, videos.hmdb51_annotations),
    }
    return Sources(tmp_path / "out", videos.kinetics_root, places, {}, smoke=True)


def full_size(sources, monkeypatch):
    """With the recipes as they are; nothing is run, so the videos are no matter."""
    monkeypatch.setattr(reproduction, "CLASSES", {"ucf101": 6, "hmdb51": 6})
    return dataclasses.replace(sources, smoke=False)


def test_the_eight_rows_are_two_encoders_two_data_sets_and_two_weights():
    rows = rows_of(["c3d", "r2plus1d"], BOTH, None, [1], [0])
    assert [row[:3] for row in rows] == [
        ("c3d", "ucf101", 0),
        ("c3d", "ucf101", 100),
        ("c3d", "hmdb51", 0),
        ("c3d", "hmdb51", 0.1),
        ("r2plus1d", "ucf101", 0),
        ("r2plus1d", "ucf101", 100),
        ("r2plus1d", "hmdb51", 0),
        ("r2plus1d", "hmdb51", 1000),
    ]
    assert len(rows_of(["c3d"], BOTH, [0.0, 1.0, 10.0], [1, 2], [0, 1, 2])) == 2 * 3 * 2 * 3
    assert len({row.name for row in rows}) == 8


@pytest.mark.parametrize(
    ("model_type", "dataset", "batch", "rate", "schedule"),
    [
        ("c3d", "ucf101", 24, 0.005, "cosine"),
        ("c3d", "hmdb51", 24, 0.005, "multi_step"),
        ("r2plus1d", "ucf101", 32, 0.1, "cosine"),
        ("r2plus1d", "hmdb51", 32, 0.1, "cosine"),
    ],
)
def test_fine_tuning_is_the_recipe_of_the_row_from_the_encoder_of_stage_one(
    sources, monkeypatch, model_type, dataset, batch, rate, schedule
):
    step = finetuning_step(full_size(sources, monkeypatch), Row(model_type, dataset, 10.0, 1, 7))
    (name, *words), *tests = step.job.commands
    model, data, _, augmentation, *_, training = finetune.parse(words)
    assert name == "finetune" and (training.per_device_train_batch_size, training.learning_rate) == (batch, rate)
    assert (training.epoch_lr_schedule, training.num_train_epochs) == (schedule, 100)
    assert (training.distill_weight, training.seed, data.split, data.dataset) == (10, 7, 1, dataset)
    assert model.model_name_or_path == str(sources.output_dir / "encoders" / model_type)
    assert augmentation.keep_best == ["validation", "test"] and not training.load_best_model_at_end
    assert [words[words.index("--model_name_or_path") + 1].removeprefix(str(step.job.folder)) for words in tests] == [
        "",
        "/best-on-validation",
        "/best-on-test",
    ]
    assert all(words[words.index("--num_clips") + 1] == "10" and "--part" not in words for words in tests)
    assert step.gigabytes == pytest.approx({"c3d": 1.33, "r2plus1d": 0.69}[model_type], abs=0.005)


@pytest.mark.parametrize(("model_type", "rate", "disk"), [("c3d", 0.1, 1.22), ("r2plus1d", 0.05, 0.63)])
def test_pre_training_is_rspnets_recipe(sources, monkeypatch, model_type, rate, disk):
    step = pretraining_step(full_size(sources, monkeypatch), model_type)
    ((name, *words),) = step.job.commands
    encoder, data, _, training, objective = pretrain.parser(words).parse(words)
    assert (name, encoder.model_type, encoder.objective) == ("pretrain", model_type, "rspnet")
    assert (training.learning_rate, training.learning_rate_batch_size, training.num_train_epochs) == (rate, 64, 200)
    assert objective.queue_size == 16384 and data.dataset_root == sources.kinetics
    assert step.says == "RSPNet on 96 videos, 200 epochs" and step.gigabytes == pytest.approx(disk, abs=0.005)


def test_an_encoder_that_is_given_takes_the_place_of_stage_one(sources):
    given = dataclasses.replace(sources, encoders={"c3d": "my-rspnet"})
    words = finetuning_step(given, Row("c3d", "ucf101", 0.0, 1, 0)).job.commands[0]
    assert words[words.index("--model_name_or_path") + 1] == "my-rspnet"


def test_a_row_knows_its_encoder_by_its_weights_and_its_videos_by_their_hash(sources):
    row = Row("c3d", "ucf101", 10.0, 1, 0)
    job = finetuning_step(sources, row).job
    assert job.made_from[0].keys() == {"train_hash", "validation_hash", "test_hash"}
    assert {*job.made_from[1:][0]} == {"test_hash"} and len(job.made_from) == len(job.commands)
    encoder = sources.pretraining_folder("c3d")
    assert from_its_encoder(job, hash_of_model(sources.encoder("c3d"))) == job  # there is none yet
    encoder.mkdir(parents=True)
    (encoder / "config.json").write_text("{}")
    found = []
    for weights in (b"first", b"second"):
        (encoder / "model.safetensors").write_bytes(weights)
        found.append(from_its_encoder(job, hash_of_model(sources.encoder("c3d"))).made_from[0]["encoder_hash"])
    assert len(set(found)) == 2


def test_flags_for_all_trainings_win_over_the_recipes_and_their_tests_take_over_the_devices(sources, monkeypatch):
    extra = ["--num_train_epochs", "50", "--dataloader_num_workers", "16"]
    given = dataclasses.replace(full_size(sources, monkeypatch), extra=extra)
    step = finetuning_step(given, Row("c3d", "ucf101", 0.0, 1, 0))
    assert finetune.parse(step.job.commands[0][1:]).training.num_train_epochs == 50 and "; 50 epochs" in step.says
    assert all(words[words.index("--dataloader_num_workers") + 1] == "16" for words in step.job.commands[1:])
    assert pretraining_step(given, "c3d").says.endswith("50 epochs")


def test_a_data_set_of_other_classes_is_refused_unless_it_is_a_smoke_run(sources):
    row = Row("c3d", "hmdb51", 0.0, 1, 0)
    assert finetuning_step(sources, row)
    with pytest.raises(ValueError, match=r"--hmdb51_root .* has 6 classes, the paper's hmdb51 51"):
        finetuning_step(dataclasses.replace(sources, smoke=False), row)
