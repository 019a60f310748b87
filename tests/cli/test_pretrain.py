from __future__ import annotations

import hashlib
import json
import logging
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from shards import write_shards
from transformers import Trainer
from videos import numbered_frames, write_video

from hf_selfdistill import C3DModel, R2Plus1DModel
from hf_selfdistill.cli import evaluate, finetune, pretrain
from hf_selfdistill.pretraining.objective import OBJECTIVE_NAME
from hf_selfdistill.pretraining.objectives import OBJECTIVES
from hf_selfdistill.training.citations import works_behind

CONFIGS = Path(__file__).parents[2] / "configs"

TINY = {
    "c3d": "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16",
    "r2plus1d": "hidden_sizes=4,4,8,8,8,num_frames=8,image_size=16",
}


@pytest.fixture
def flags(shapes, tmp_path):
    def build(**overrides):
        values = {
            "objective": "rspnet",
            "model_type": "c3d",
            "config_overrides": TINY["c3d"],
            "dataset_root": shapes,
            "output_dir": tmp_path / "encoder",
            "num_train_epochs": 1,
            "per_device_train_batch_size": 4,
            "queue_size": 8,
            "learning_rate": 0.01,
            "logging_steps": 2,
            "disable_tqdm": True,
            "use_cpu": True,
            **overrides,
        }
        return [word for name, value in values.items() if value is not None for word in (f"--{name}", str(value))]

    return build


OWN = {
    "rspnet": {},
    "pace": {"queue_size": None},
    "space_time_cubes": {"queue_size": None, "crop_share": 1.0},
}


@pytest.mark.parametrize("model_type", ["c3d", "r2plus1d"])
@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_every_objective_pre_trains_every_encoder(flags, tmp_path, objective, model_type):
    own = OWN.get(objective, {"queue_size": None})
    overrides = TINY[model_type]
    pretrain.main(flags(objective=objective, model_type=model_type, config_overrides=overrides, **own))
    encoder = {"c3d": C3DModel, "r2plus1d": R2Plus1DModel}[model_type].from_pretrained(tmp_path / "encoder")
    assert (
        encoder.config.num_frames == 8 and len(works_behind(model_type, encoder.config.pretrained_by)) == 2
    )  # the net and the objective
    assert load_file(tmp_path / "encoder" / OBJECTIVE_NAME)
    results = json.loads((tmp_path / "encoder" / "all_results.json").read_text())
    assert results["unreadable"] == [] and results["train_loss"] > 0


def test_the_encoder_is_fine_tuned_as_it_is(flags, tmp_path, shapes, tiny_flags, caplog):
    pretrain.main(flags(target_fps=20))
    model = {"model_name_or_path": tmp_path / "encoder", "config_overrides": None}
    finetune.main(tiny_flags(shapes, tmp_path / "out", num_train_epochs=1, **model))
    assert "new head of 3 classes" in caplog.text and "lacks weights" not in caplog.text
    kept = json.loads((tmp_path / "out" / "video_preprocessor_config.json").read_text())
    assert kept["target_fps"] == 20.0


def test_the_encoder_has_a_card_to_which_a_measurement_is_added(flags, tmp_path, shapes, monkeypatch, capsys):
    pretrain.main(flags(logging_steps=1))
    text = (tmp_path / "encoder" / "README.md").read_text()
    videos = sorted(file for file in shapes.glob("*/*") if file.is_file())
    names = "\n".join(sorted(str(video.relative_to(shapes)) for video in videos))
    assert f"Every video below `{shapes.name}`: {len(videos)} videos" in text
    assert hashlib.sha256(names.encode()).hexdigest() in text and "| queue_size | 8 |" in text
    assert (tmp_path / "encoder" / "training_curves.png").is_file()
    words = f"--task knn --model_name_or_path {tmp_path / 'encoder'} --dataset moving_shapes --dataset_root {shapes} "
    words += f"--num_clips 1 --output_file {tmp_path / 'encoder' / 'knn.json'} --use_cpu true --disable_tqdm true"
    evaluate.main(words.split())
    assert "| knn | top-1 " in (tmp_path / "encoder" / "README.md").read_text()
    shutil.copy(next(shapes.glob("*/*.mp4")), tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    exec(compile(re.search(r"```python\n(.*?)```", text, re.S)[1], "README.md", "exec"), {})
    assert "tensor([[" in capsys.readouterr().out


def test_short_and_unreadable_videos_are_counted_and_named(flags, tmp_path, caplog):
    (tmp_path / "videos").mkdir()
    for number in range(6):
        write_video(tmp_path / f"videos/{number}.mp4", numbered_frames(10 if number < 2 else 20, 32, 32))
    (tmp_path / "videos/broken.mp4").write_bytes(b"no video")
    with caplog.at_level("INFO"):
        pretrain.main(flags(dataset_root=tmp_path / "videos", max_unreadable=0.2))
    results = json.loads((tmp_path / "encoder" / "all_results.json").read_text())
    assert [failure["video"].split("/")[-1] for failure in results["unreadable"]] == ["broken.mp4"]
    assert results["short_videos"] == 2
    assert "2 of 7 videos are shorter than 16 frames and are repeated" in caplog.text


def test_a_finished_run_is_overwritten_on_request_only(flags, tmp_path, caplog):
    words = flags(max_steps=1, save_strategy="no")
    pretrain.main(words)
    with pytest.raises(SystemExit, match=r"holds a finished model; .* set --overwrite_output_dir to replace"):
        pretrain.main(words)
    assert "overwrites" not in caplog.text
    pretrain.main([*words, "--overwrite_output_dir"])
    assert f"{tmp_path / 'encoder'} holds a finished run; this run overwrites model.safetensors" in caplog.text
    assert OBJECTIVE_NAME in caplog.text


def test_shards_are_streamed(flags, tmp_path):
    (tmp_path / "shards").mkdir()
    write_shards(tmp_path / "shards", shards=2, videos_per_shard=4)
    pretrain.main(flags(dataset="shards", dataset_root=tmp_path / "shards", clips_per_epoch=8))
    assert (tmp_path / "encoder" / "model.safetensors").is_file()


@pytest.mark.parametrize("workers", [0, 2])
def test_short_and_unreadable_videos_of_shards_are_counted_and_named_too(flags, tmp_path, caplog, workers):
    (tmp_path / "shards").mkdir()
    write_shards(tmp_path / "shards", shards=2, videos_per_shard=4, broken=(1,))
    words = flags(dataset="shards", dataset_root=tmp_path / "shards", clips_per_epoch=8, max_unreadable=0.5,
                  dataloader_num_workers=workers)  # fmt: skip
    for _ in range(2):  # a second run begins anew
        with caplog.at_level("INFO"):
            pretrain.main([*words, "--overwrite_output_dir"])
        results = json.loads((tmp_path / "encoder" / "all_results.json").read_text())
        assert [failure["video"] for failure in results["unreadable"]] == ["001.mp4"]
        assert results["short_videos"] == 7
        written = sorted(file.name for file in (tmp_path / "encoder" / "_video_findings").iterdir())
        assert written == (["0-0.jsonl", "0-1.jsonl"] if workers else ["0-main.jsonl"])
    assert "7 of the streamed videos are shorter than 16 frames and are repeated" in caplog.text
    assert "1 of the streamed videos can't be read; see " in caplog.text


def test_a_data_set_with_labels_gives_its_training_part_and_a_part_to_measure_on(flags, tmp_path):
    pretrain.main(flags(dataset="moving_shapes", validation_fraction=0.3, per_device_eval_batch_size=2))
    results = json.loads((tmp_path / "encoder" / "all_results.json").read_text())
    assert 0 <= results["eval_speed_accuracy"] <= 1


def test_an_interrupted_run_goes_on_from_its_checkpoint(flags, tmp_path):
    pretrain.main(flags(num_train_epochs=2, save_strategy="epoch", output_dir=tmp_path / "whole"))
    last = max((tmp_path / "whole").glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    (last / "trainer_state.json").unlink()  # cut short while it was written
    whole = load_file(tmp_path / "whole" / "model.safetensors")
    pretrain.main(flags(num_train_epochs=2, output_dir=tmp_path / "whole", resume_from_checkpoint=True))
    resumed = load_file(tmp_path / "whole" / "model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objective": "colour"}, "argument --objective: invalid choice"),
        ({"model_type": None}, "give either --model_type c3d or r2plus1d, or --model_name_or_path"),
        ({"model_name_or_path": "somewhere"}, "give either --model_type c3d or r2plus1d, or --model_name_or_path"),
        ({"dataset_root": None}, "--dataset is videos, which needs --dataset_root"),
        ({"dataset_root": "nowhere/at/all"}, "is not a folder"),
        ({"dataset": "shards"}, "--clips_per_epoch None; shards need it"),
        ({"clips_per_epoch": 5}, "nothing else takes it"),
        ({"dataset": "list", "dataset_root": None}, "--dataset is list, which needs --annotations"),
        ({"validation_fraction": 0.1}, "has neither groups nor splits"),
        ({"queue_size": 3}, "--queue_size is 3, smaller than the 4 videos of a step"),
        ({"per_device_train_batch_size": 1}, "at least 2 videos per process"),
        ({"per_device_train_batch_size": 100, "queue_size": 200}, "24 training videos do not fill one batch of 100"),
        ({"temperature": 0}, "--temperature is 0; it must be positive"),
        ({"config_overrides": "depth=3"}, "sets nothing of c3d"),
        ({"learning_rate_batch_size": 0}, "--learning_rate_batch_size is 0"),
        ({"resume_from_checkpoint": True}, "holds no whole checkpoint"),
    ],
)
def test_a_mistake_is_one_line_and_comes_before_training(flags, wrong, message, capsys, monkeypatch):
    monkeypatch.setattr(Trainer, "train", lambda *a, **k: pytest.fail("it trained"))
    with pytest.raises(SystemExit) as stopped:
        pretrain.main(flags(**wrong))
    said = capsys.readouterr().err if isinstance(stopped.value.code, int) else stopped.value.code
    assert stopped.value.code != 0 and re.search(message, said)
    assert len(said.strip().splitlines()) == 1


def test_a_queue_that_a_step_does_not_divide_is_cut_and_said(flags, caplog):
    with caplog.at_level("INFO"):
        pretrain.main(flags(queue_size=10))
    assert "`queue_size` 10 is cut to 8, a multiple of 4" in caplog.text


def test_the_help_shows_the_flags_of_the_objective_named(capsys):
    for words, shown in ((["--objective", "pace", "--help"], False), (["--objective", "rspnet", "--help"], True)):
        with pytest.raises(SystemExit):
            pretrain.main(words)
        assert ("--ranking_margin" in capsys.readouterr().out) == shown


def test_it_ends_with_the_command_that_fine_tunes_the_encoder(flags, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="hf_selfdistill"):
        pretrain.main(flags(max_steps=1))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("hf_selfdistill")]
    folder, loss, command = ours[-3:]
    assert folder == f"The model is in {tmp_path / 'encoder'}" and loss.startswith("Training loss ")
    (config,) = finetune.parser().parse(shlex.split(command.partition(": ")[2])[2:])
    assert config.model_name_or_path == str(tmp_path / "encoder")
    assert pretrain.RECIPE.items() <= yaml.safe_load((CONFIGS / "folder.yaml").read_text()).items()
    assert (config.learning_rate, config.distill_weight) == (0.02, 10)
