"""The trainer takes raw videos: ten lines of Python leave a model, a record and a card."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
import torch

from hf_selfdistill import (
    C3DConfig,
    C3DForVideoClassification,
    SelfDistillationArguments,
    SelfDistillationTrainer,
    load_video_dataset,
)
from hf_selfdistill.training.record import RunRecord, hash_of_model


@pytest.fixture(scope="module")
def videos(shapes):
    return load_video_dataset("moving_shapes", shapes)


@pytest.fixture
def arguments(tmp_path):
    def build(**settings):
        defaults = {"distill_weight": 1.0, "max_steps": 2, "per_device_train_batch_size": 4, "save_strategy": "no"}
        return SelfDistillationArguments(
            str(tmp_path / "OUT"),
            **{**defaults, "use_cpu": True, "report_to": "none", "disable_tqdm": True, **settings},
        )

    return build


def model(**settings):
    values = {"hidden_sizes": [4, 8, 8, 8, 8], "num_frames": 8, "image_size": 16, "num_labels": 3, **settings}
    return C3DForVideoClassification(C3DConfig(**values))


def test_training_leaves_class_names_a_record_and_a_card(videos, arguments, fine_tuned, tmp_path):
    trainer = SelfDistillationTrainer(
        str(fine_tuned), arguments(eval_strategy="epoch"), videos["train"], eval_dataset=videos["validation"]
    )
    trainer.train()
    labels = json.loads((tmp_path / "OUT" / "config.json").read_text())["id2label"]
    assert list(labels.values()) == videos["train"].features["label"].names
    record = RunRecord.load(tmp_path / "OUT")
    assert record.status == "finished" and record.weights == hash_of_model(tmp_path / "OUT")
    assert record.inputs["train"].videos == 15 and record.metrics["eval_num_videos"] == 3
    assert record.config["model_name_or_path"] == str(fine_tuned)
    assert "fine-tuned from `model` to classify videos into 3 classes" in (tmp_path / "OUT/README.md").read_text()


def test_a_test_on_several_clips_names_its_protocol(videos, arguments):
    results = SelfDistillationTrainer(model(), arguments(), videos["train"]).evaluate(videos["test"], num_clips=2)
    assert results["protocol"] == ("moving_shapes test, 2 clips of 8 frames, stride 1, centre crop, mean of logits")
    assert results["num_videos"] == len(results["predictions"]) == 6 and results["failed"] == []
    assert {"video_top1", "clip_top1", "video_top5", "clip_top5", "per_class", "num_classes"} <= results.keys()


def test_a_model_without_names_gets_those_of_the_videos_and_others_are_refused(videos, arguments):
    assert SelfDistillationTrainer(model(), arguments(), videos["train"]).model.config.id2label[0] == "moving_left"
    named = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
    with pytest.raises(ValueError, match=r"has the classes a, b, c .* use the data set that the model was fine-tuned"):
        SelfDistillationTrainer(model(**named), arguments(), videos["train"])


def test_a_data_set_of_the_hub_with_a_video_column_needs_no_torchcodec(videos, arguments, tmp_path):
    paths = [video["path"] for video in videos["train"]["video"]]
    features = datasets.Features(video=datasets.Video(), label=videos["train"].features["label"])
    hub = datasets.Dataset.from_dict({"video": paths, "label": videos["train"]["label"][:]}, features=features)
    trainer = SelfDistillationTrainer(model(), arguments(max_steps=1), hub)
    trainer.train()
    assert RunRecord.load(tmp_path / "OUT").inputs["train"].videos == 15


def test_the_record_keeps_the_warnings_of_a_training_without_the_command_line(videos, arguments, tmp_path):
    steps = {"teacher_update": "steps", "teacher_update_steps": 1}
    SelfDistillationTrainer(model(), arguments(**steps), videos["train"]).train()
    assert "the teacher always equals the student" in RunRecord.load(tmp_path / "OUT").warnings[0]


def test_a_search_tries_lambda_and_the_learning_rate(videos, arguments):
    pytest.importorskip("optuna")
    tried = []

    def space(trial):
        tried.append(trial)
        return {
            "distill_weight": trial.suggest_float("distill_weight", 0.1, 100, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
        }

    few = videos["validation"]
    trainer = SelfDistillationTrainer(None, arguments(max_steps=1), few, eval_dataset=few, model_init=lambda: model())
    best = trainer.hyperparameter_search(space, lambda metrics: metrics["eval_loss"], n_trials=2, backend="optuna")
    assert len(tried) == 2 and best.hyperparameters in [trial.params for trial in tried]
    assert trainer.args.distill_weight == tried[-1].params["distill_weight"]
    assert trainer.args.learning_rate == tried[-1].params["learning_rate"]


def test_model_init_makes_the_model_of_each_training(videos, arguments):
    trainer = SelfDistillationTrainer(None, arguments(max_steps=1), videos["train"], model_init=lambda: model())
    first = trainer.model
    trainer.train()
    assert trainer.model is not first and trainer.teacher is not None


def test_validation_without_videos_is_refused_before_training(videos, arguments):
    with pytest.raises(ValueError, match="`eval_strategy` is epoch, but there are no validation videos"):
        SelfDistillationTrainer(
            model(), arguments(eval_strategy="epoch"), videos["train"], eval_dataset=videos["test"].select([])
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bf16_full_eval": True}, "`bf16_full_eval` casts the model and not the clips; set `bf16` instead"),
        ({"batch_eval_metrics": True}, "`batch_eval_metrics` is True .* need all batches together"),
        ({"eval_do_concat_batches": False}, "`eval_do_concat_batches` False, .* need all batches together"),
        ({"metric_for_best_model": "accuracy"}, "is 'accuracy'; allowed are loss, video_top1, .*mean video_top1"),
        ({"metric_for_best_model": "eval_clip_top"}, "is 'eval_clip_top'; .*mean clip_top"),
        ({"metric_for_best_model": "accuracy", "lr_scheduler_type": "reduce_lr_on_plateau"}, "mean video_top1"),
        ({"metric_for_best_model": "video_top1", "prediction_loss_only": True}, "is 'video_top1'; allowed are loss$"),
    ],
)
def test_what_would_end_the_first_evaluation_is_refused_before_anything_is_loaded(
    videos, arguments, settings, message
):
    with pytest.raises(ValueError, match=message):
        SelfDistillationTrainer(
            "no/model",
            arguments(eval_strategy="epoch", **settings),
            videos["train"],
            eval_dataset=videos["validation"],
        )


def test_validation_without_a_validation_part_is_refused_in_our_words(videos, arguments):
    with pytest.raises(ValueError, match="`eval_strategy` is epoch, but there are no validation videos"):
        SelfDistillationTrainer(model(), arguments(eval_strategy="epoch"), videos["train"])


def test_the_best_epoch_can_be_chosen_by_top_1(videos, arguments):
    settings = {"metric_for_best_model": "video_top1", "load_best_model_at_end": True, "save_strategy": "epoch"}
    args = arguments(eval_strategy="epoch", mixup_alpha=0.5, **settings)
    trainer = SelfDistillationTrainer(model(), args, videos["train"], eval_dataset=videos["validation"])
    trainer.train()
    assert trainer.state.best_metric == max(log.get("eval_video_top1", 0.0) for log in trainer.state.log_history)
    assert trainer.state.best_model_checkpoint is not None


def test_choosing_on_the_test_part_needs_its_videos(videos, arguments):
    args = arguments(keep_best=["test"], eval_strategy="epoch")
    with pytest.raises(ValueError, match="`keep_best` test needs `test_dataset`"):
        SelfDistillationTrainer(model(), args, videos["train"], eval_dataset=videos["validation"])


def test_finished_clips_are_trained_on_as_by_the_trainer(arguments, tmp_path):
    clips = [{"pixel_values": torch.randn(8, 3, 16, 16), "labels": i % 3} for i in range(8)]
    SelfDistillationTrainer(model(), arguments(), train_dataset=clips).train()
    assert not (tmp_path / "OUT" / "run.json").exists()


def test_a_resumed_run_on_other_videos_is_refused(videos, arguments):
    settings = {"save_strategy": "steps", "save_steps": 1}
    SelfDistillationTrainer(model(), arguments(**settings), videos["train"]).train()
    fewer = videos["train"].select(range(12))
    with pytest.raises(ValueError, match="the run began with 15 videos for train"):
        SelfDistillationTrainer(model(), arguments(**settings), fewer).train(resume_from_checkpoint=True)


def test_a_checkpoint_without_the_record_of_its_run_is_warned_of_and_epochs_that_are_done_are_said(
    videos, arguments, tmp_path, caplog
):
    settings = {"save_strategy": "epoch", "max_steps": -1, "num_train_epochs": 1}
    trainer = SelfDistillationTrainer(model(), arguments(**settings), videos["train"])
    trainer.train()
    (checkpoint,) = Path(trainer.args.output_dir).glob("checkpoint-*")
    moved = checkpoint.rename(tmp_path / checkpoint.name)
    SelfDistillationTrainer(model(), arguments(**settings), videos["train"]).train(resume_from_checkpoint=str(moved))
    assert f"{moved} has no run.json beside it" in caplog.text
    assert f"`num_train_epochs` is 1, but {moved} has done 1 epochs: nothing is trained" in caplog.text
