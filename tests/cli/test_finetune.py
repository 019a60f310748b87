from __future__ import annotations

import json
import logging
import re
import shlex

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForVideoClassification, AutoVideoProcessor, pipeline

from hf_selfdistill.cli import evaluate, finetune


def test_it_leaves_a_model_its_processor_its_card_and_its_results(fine_tuned):
    names = {file.name for file in fine_tuned.iterdir()}
    assert names >= {
        "config.json",
        "model.safetensors",
        "video_preprocessor_config.json",
        "README.md",
        "run.json",
        "all_results.json",
        "trainer_state.json",
    }
    results = json.loads((fine_tuned / "all_results.json").read_text())
    assert {"eval_video_top1", "eval_clip_top1", "train_loss", "unreadable"} <= results.keys()
    assert results["unreadable"] == [] and results["eval_num_videos"] == 3
    logged = json.loads((fine_tuned / "trainer_state.json").read_text())["log_history"]
    assert any({"ce_loss", "feature_std"} <= row.keys() for row in logged)


def test_the_result_classifies_a_file_in_transformers_pipeline(fine_tuned, shapes):
    classify = pipeline("video-classification", model=str(fine_tuned))
    answer = classify(str(next(shapes.glob("*/*.avi"))))
    assert {row["label"] for row in answer} == {"moving_left", "moving_right", "moving_up"}


def test_a_config_file_gives_the_same_run_as_flags(shapes, tiny_flags, fine_tuned, tmp_path):
    flags = tiny_flags(shapes, tmp_path / "out")
    config = tmp_path / "recipe.yaml"
    pairs = dict(zip(flags[::2], flags[1::2], strict=True))
    config.write_text("".join(f"{name[2:]}: {value}\n" for name, value in pairs.items()))
    finetune.main(["--config", str(config)])
    same = load_file(tmp_path / "out" / "model.safetensors")
    expected = load_file(fine_tuned / "model.safetensors")
    assert all(torch.equal(same[name], expected[name]) for name in expected)


def test_a_run_resumed_within_an_epoch_with_workers_ends_in_the_same_model(shapes, tiny_flags, tmp_path):
    settings = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 100, "dataloader_num_workers": 2}
    finetune.main(tiny_flags(shapes, tmp_path / "whole", **settings))
    checkpoint = tmp_path / "whole" / "checkpoint-6"  # four steps per epoch
    assert checkpoint.is_dir()
    finetune.main(tiny_flags(shapes, tmp_path / "resumed", resume_from_checkpoint=checkpoint, **settings))
    whole = load_file(tmp_path / "whole" / "model.safetensors")
    resumed = load_file(tmp_path / "resumed" / "model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_it_says_how_the_videos_are_divided(shapes, tiny_flags, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        finetune.main(tiny_flags(shapes, tmp_path / "out", num_train_epochs=1))
    assert "15 training, 3 validation and 6 test videos of 3 classes" in caplog.text


def test_a_model_of_other_classes_gets_a_new_head_said_aloud(fine_tuned, shapes, tiny_flags, tmp_path, caplog):
    annotations = tmp_path / "two.csv"
    rows = (shapes / "moving_shapes.csv").read_text().splitlines()
    annotations.write_text("\n".join(row for row in rows if "moving_up" not in row))
    with caplog.at_level(logging.WARNING):
        finetune.main(
            tiny_flags(
                shapes,
                tmp_path / "out",
                model_name_or_path=fine_tuned,
                config_overrides=None,
                dataset="csv",
                annotations=annotations,
                num_train_epochs=1,
            )
        )
    assert "new head of 2 classes" in caplog.text
    assert AutoModelForVideoClassification.from_pretrained(tmp_path / "out").config.num_labels == 2


def test_a_finished_run_is_overwritten_on_request_only(shapes, tiny_flags, tmp_path, caplog):
    words = tiny_flags(shapes, tmp_path / "out", num_train_epochs=1)
    finetune.main(words)
    assert "overwrites" not in caplog.text
    finetune.main([*words, "--resume_from_checkpoint", "true"])
    with pytest.raises(SystemExit, match=r"--output_dir .* holds a finished model; .* set --overwrite_output_dir "):
        finetune.main(words)
    assert "overwrites" not in caplog.text
    finetune.main([*words, "--overwrite_output_dir"])
    assert (
        f"`output_dir` {tmp_path / 'out'} holds a finished run; this run overwrites model.safetensors, "
        "config.json, README.md, all_results.json, trainer_state.json, checkpoint-4\n" in caplog.text
    )


def test_the_rate_of_the_clips_is_kept_with_the_model(shapes, tiny_flags, tmp_path):
    finetune.main(tiny_flags(shapes, tmp_path / "out", target_fps=12.5, num_train_epochs=1))
    processor = AutoVideoProcessor.from_pretrained(tmp_path / "out")
    assert (processor.target_fps, processor.frame_stride) == (12.5, 1)


def test_few_samples_and_class_weights_and_validation_on_several_clips(shapes, tiny_flags, tmp_path):
    settings = {"max_train_samples": 6, "class_weights": "balanced", "eval_num_clips": 3, "eval_strategy": "epoch"}
    finetune.main(tiny_flags(shapes, tmp_path / "out", **settings))
    state = json.loads((tmp_path / "out" / "trainer_state.json").read_text())
    assert state["max_steps"] == 4  # two epochs of 6 videos in batches of 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dataset": "ucf102"}, "--dataset is 'ucf102'; allowed are"),
        ({"dataset_root": "/nowhere", "dataset": "folder"}, "--dataset_root /nowhere is not a folder"),
        ({"model_name_or_path": "/nowhere/model", "config_overrides": None}, "/nowhere/model"),
        ({"config_overrides": "widths=3"}, "'widths=3' sets nothing of c3d"),
        ({"max_train_samples": 0}, "--max_train_samples is 0"),
        ({"target_fps": -1}, "--target_fps is -1"),
        ({"resume_from_checkpoint": "true"}, "holds no whole checkpoint"),
        ({"resume_from_checkpoint": "/nowhere"}, "is not a whole checkpoint"),
        ({"distill_weight": -1}, "--distill_weight is -1.0"),
        ({"teacher_update": "steps"}, "set --teacher_update_steps to the number of steps"),
        ({"split": 4}, "split is 4"),
    ],
)
def test_a_wrong_argument_ends_it_in_one_line_before_training(shapes, tiny_flags, tmp_path, capsys, wrong, message):
    with pytest.raises(SystemExit) as stopped:
        finetune.main(tiny_flags(shapes, tmp_path / "out", **wrong))
    line = stopped.value.code if isinstance(stopped.value.code, str) else capsys.readouterr().err
    assert message in line and line.strip().count("\n") == 0


def test_a_checkpoint_of_the_other_architecture_is_refused(shapes, tiny_flags, fine_tuned, tmp_path):
    finetune.main(tiny_flags(shapes, tmp_path / "c3d", num_train_epochs=1))
    with pytest.raises(SystemExit, match="has the model_type c3d, but the model of this run has r2plus1d"):
        finetune.main(
            tiny_flags(
                shapes,
                tmp_path / "out",
                model_name_or_path="r2plus1d",
                resume_from_checkpoint=next((tmp_path / "c3d").glob("checkpoint-*")),
            )
        )


def test_it_ends_with_the_folder_the_accuracy_and_the_command_that_tests_the_model(
    shapes, tiny_flags, tmp_path, caplog, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO, logger="hf_selfdistill"):
        finetune.main(tiny_flags(shapes, tmp_path / "my model", max_steps=1, validation_fraction=0.2))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("hf_selfdistill")]
    folder, accuracy, command = ours[-3:]
    assert folder == f"The model is in {tmp_path / 'my model'}"
    assert re.fullmatch(r"Validation: video top-1 [\d.]+ % of 3 videos; chance is 33\.3 %", accuracy)
    program, task, *words = shlex.split(command.partition(": ")[2])
    assert (program, task) == ("hf-selfdistill", "evaluate") and "--validation_fraction" in words
    evaluate.main(words)
    assert json.loads((tmp_path / "evaluation.json").read_text())["num_videos"] == 6
