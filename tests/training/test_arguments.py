import json

import pytest
from transformers import HfArgumentParser

from hf_selfdistill.training.arguments import (
    ClassificationArguments,
    VideoTrainingArguments,
    check_choice,
    given_values,
)


def test_a_choice_that_is_allowed_passes_and_another_is_refused_with_those_that_are():
    check_choice("way", "there", ("here", "there"))
    with pytest.raises(ValueError, match=r"^`way` is 'nowhere'; allowed are 'here', 'there'$"):
        check_choice("way", "nowhere", ("here", "there"))


def test_the_defaults_suit_videos(tmp_path):
    args = VideoTrainingArguments(str(tmp_path), use_cpu=True)
    assert (args.remove_unused_columns, args.sync_batch_norm, args.epoch_lr_schedule) == (False, False, "none")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epoch_lr_schedule": "linear"}, "`epoch_lr_schedule` is 'linear'; allowed are 'none', 'cosine'"),
        ({"epoch_lr_schedule": "cosine", "max_steps": 5}, r"needs whole epochs .* `max_steps` 5"),
        ({"epoch_lr_schedule": "cosine", "num_train_epochs": 2.5}, r"`num_train_epochs` is 2.5"),
        ({"epoch_lr_schedule": "cosine", "warmup_steps": 10}, r"`warmup_steps` 10"),
    ],
)
def test_a_schedule_by_epochs_needs_whole_epochs_and_no_warm_up(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        VideoTrainingArguments(str(tmp_path), use_cpu=True, **wrong)


def test_the_parser_takes_a_field_that_can_be_none(tmp_path):
    parser = HfArgumentParser(VideoTrainingArguments)  # the annotation is `float | None`
    fixed = ["--output_dir", str(tmp_path), "--use_cpu", "true"]
    (without,) = parser.parse_args_into_dataclasses(fixed)
    (given,) = parser.parse_args_into_dataclasses([*fixed, "--target_fps", "15"])
    assert (without.target_fps, given.target_fps) == (None, 15.0)


@pytest.mark.parametrize("given", ["momentum", "momentum=", "momentum=0.9 nesterov=True", "=0.9"])
def test_arguments_of_the_optimiser_have_names_and_values(tmp_path, given):
    with pytest.raises(ValueError, match="give name=value"):
        VideoTrainingArguments(str(tmp_path), optim_args=given)
    VideoTrainingArguments(str(tmp_path), optim_args="betas=0.9, eps=1e-8,nesterov=True")


def test_given_values_are_those_that_differ_from_the_defaults_whatever_the_trainer_filled_in(tmp_path):
    args = VideoTrainingArguments(
        str(tmp_path),
        learning_rate=1e-3,
        optim="adamw_torch_fused",
        report_to="none",
        hub_token="secret",
        use_cpu=True,
    )
    assert given_values(args) == {"output_dir": str(tmp_path), "learning_rate": 0.001, "use_cpu": True}
    json.dumps(given_values(VideoTrainingArguments(str(tmp_path), accelerator_config={"even_batches": False})))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"min_crop_area": 1.5}, "`min_crop_area` is 1.5"),
        ({"flip_probability": -0.1}, "`flip_probability` is -0.1"),
        ({"mixup_alpha": -1.0}, "`mixup_alpha` is -1; it must be 0"),
        ({"neftune_noise_alpha": 5.0}, "`neftune_noise_alpha` adds noise to the embeddings of words"),
        (
            {"keep_best": ["validation"], "eval_strategy": "epoch", "prediction_loss_only": True},
            "`keep_best` validation compares accuracies, which `prediction_loss_only` leaves out",
        ),
        ({"eval_num_clips": 0}, "`eval_num_clips` is 0; it must be positive"),
        ({"keep_best": ["train"], "eval_strategy": "epoch"}, "`keep_best` is 'train'; allowed are"),
        ({"keep_best": ["test"]}, "set `eval_strategy` epoch"),
        ({"max_unreadable": 2}, "`max_unreadable` is 2; it must lie between"),
    ],
)
def test_a_wrong_argument_of_the_clips_is_named(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        ClassificationArguments(str(tmp_path), **wrong)
