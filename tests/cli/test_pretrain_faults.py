"""What goes wrong around pre-training: bad files, checkpoints cut short, checkpoints of something else, flags."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from shards import write_shards
from transformers import Trainer
from videos import numbered_frames, write_video

from hf_selfdistill.cli import pretrain
from hf_selfdistill.data.findings import VideoFindings
from hf_selfdistill.pretraining.objective import OBJECTIVE_NAME
from hf_selfdistill.pretraining.samples import FINDINGS
from hf_selfdistill.pretraining.trainer import PretrainingTrainer

TINY = "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16"


def flags_of(root, output_dir, **overrides):
    flags = {
        "objective": "rspnet",
        "model_type": "c3d",
        "config_overrides": TINY,
        "dataset_root": root,
        "output_dir": output_dir,
        "num_train_epochs": 2,
        "per_device_train_batch_size": 4,
        "embedding_size": 6,
        "queue_size": 8,
        "learning_rate": 0.01,
        "save_strategy": "steps",
        "save_steps": 1,
        "save_total_limit": 9,
        "logging_steps": 1,
        "disable_tqdm": True,
        "use_cpu": True,
        **overrides,
    }
    return [word for name, value in flags.items() if value is not None for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Eight videos: two steps an epoch."""
    root = tmp_path_factory.mktemp("videos")
    for number in range(8):
        write_video(root / f"{number}.mp4", numbered_frames(20 + number, 24, 32))
    return root


@pytest.fixture(scope="module")
def whole(videos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    pretrain.main(flags_of(videos, folder))
    return folder


@pytest.fixture
def copy_of_whole(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "whole")


def assert_same_model(one, other):
    for name in ("model.safetensors", OBJECTIVE_NAME):
        mine, others = load_file(one / name), load_file(other / name)
        assert mine.keys() == others.keys() and all(torch.equal(mine[key], others[key]) for key in mine)


def test_a_file_of_flags_gives_the_same_run_and_flags_win_over_it(videos, whole, tmp_path):
    words = flags_of(videos, tmp_path / "out", num_train_epochs=1)
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("".join(f"{name[2:]}: {value}\n" for name, value in pairs.items()))
    pretrain.main(["--config", str(recipe), "--num_train_epochs", "2"])
    assert_same_model(tmp_path / "out", whole)
    with safe_open(tmp_path / "out" / OBJECTIVE_NAME, "pt") as saved:
        assert json.loads(saved.metadata()["arguments"])["embedding_size"] == 6


def test_a_run_killed_while_it_wrote_a_checkpoint_resumes_from_the_one_before(videos, whole, copy_of_whole):
    # As the last moments of a run leave it: the weights half written, what comes later not at all.
    for name in ("model.safetensors", OBJECTIVE_NAME):
        (copy_of_whole / name).unlink()
    torn = copy_of_whole / "checkpoint-4"
    for name in ("trainer_state.json", "optimizer.pt", OBJECTIVE_NAME):
        (torn / name).unlink()
    content = (torn / "model.safetensors").read_bytes()
    (torn / "model.safetensors").write_bytes(content[: len(content) // 2])
    pretrain.main(flags_of(videos, copy_of_whole, resume_from_checkpoint="true"))
    assert_same_model(copy_of_whole, whole)


def foreign(checkpoint, objective):
    weights = load_file(checkpoint / OBJECTIVE_NAME)
    save_file(weights, checkpoint / OBJECTIVE_NAME, objective and {"objective": objective})


@pytest.mark.parametrize(
    ("change", "flags", "message"),
    [
        (None, {"temperature": 0.5}, r"it was trained with --temperature 0\.07, not 0\.5"),
        (None, {"queue_size": 16}, "it was trained with --queue_size 8, not 16"),
        (None, {"per_device_train_batch_size": 3}, "it was trained with --queue_size 8, not 6"),
        (lambda folder: foreign(folder, "pace"), {}, "its objective is pace, not rspnet"),
        (lambda folder: foreign(folder, None), {}, "its objective is unknown, not rspnet"),
        (lambda folder: (folder / OBJECTIVE_NAME).unlink(), {}, "No such file"),
    ],
    ids=["arguments", "queue", "videos per step", "objective", "nobody's", "missing"],
)
def test_a_checkpoint_that_it_can_not_go_on_from_is_refused_in_one_line(
    videos, copy_of_whole, change, flags, message, monkeypatch
):
    monkeypatch.setattr(PretrainingTrainer, "training_step", lambda *a, **k: pytest.fail("it trained"))
    checkpoint = copy_of_whole / "checkpoint-2"
    (checkpoint / "manifest.json").unlink()  # as an earlier version made it
    if change is not None:
        change(checkpoint)
    record = (copy_of_whole / "run.json").read_text()
    with pytest.raises(SystemExit) as stopped:
        pretrain.main(flags_of(videos, copy_of_whole, resume_from_checkpoint=checkpoint, **flags))
    assert (copy_of_whole / "run.json").read_text() == record
    line = stopped.value.code
    assert line.startswith(f"error: the objective can't be restored from {checkpoint / OBJECTIVE_NAME}")
    assert re.search(message, line) and "\n" not in line and "resume from another checkpoint, or with" in line


def test_a_checkpoint_whose_objective_is_cut_short_is_refused_in_one_line(videos, copy_of_whole):
    checkpoint = copy_of_whole / "checkpoint-2"
    (checkpoint / "manifest.json").unlink()
    content = (checkpoint / OBJECTIVE_NAME).read_bytes()
    (checkpoint / OBJECTIVE_NAME).write_bytes(content[: len(content) // 2])
    with pytest.raises(SystemExit) as stopped:
        pretrain.main(flags_of(videos, copy_of_whole, resume_from_checkpoint=checkpoint))
    assert stopped.value.code == f"error: {checkpoint / OBJECTIVE_NAME} is damaged; resume from another checkpoint"


BAD = ["cut.mp4", "empty.mp4", "text.mp4"]


@pytest.fixture
def mixed(videos, tmp_path):
    """Eight good videos, one of a single frame, and three that can't be decoded."""
    root = shutil.copytree(videos, tmp_path / "mixed")
    write_video(root / "one frame.mp4", numbered_frames(1, 24, 32))
    (root / "empty.mp4").touch()
    (root / "cut.mp4").write_bytes((root / "0.mp4").read_bytes()[:700])
    (root / "text.mp4").write_text("my notes")
    return root


def names(failures):
    assert all(failure["reason"] for failure in failures)
    return [failure["video"].rpartition("/")[2] for failure in failures]


def test_undecodable_videos_that_workers_meet_are_named_and_listed_and_short_ones_counted(mixed, tmp_path, caplog):
    one_step = {"per_device_train_batch_size": 12, "queue_size": 12, "num_train_epochs": 1}  # so that all are read
    with caplog.at_level("INFO"):
        pretrain.main(flags_of(mixed, tmp_path / "out", max_unreadable=0.3, dataloader_num_workers=2, **one_step))
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert names(results["unreadable"]) == BAD and results["short_videos"] == 1
    for failure in results["unreadable"]:
        named = mixed / failure["video"]
        assert f"Skipped an unreadable video: {named}: {failure['reason']}" in caplog.text
    assert "1 of 12 videos are shorter than 16 frames and are repeated" in caplog.text


@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_undecodable_videos_end_it_in_one_line(mixed, tmp_path, workers):
    with pytest.raises(SystemExit) as stopped:
        pretrain.main(flags_of(mixed, tmp_path / "out", dataloader_num_workers=workers))
    assert re.fullmatch(
        r"error: [123] of 12 videos can't be read, more than --max_unreadable 0\.05 allows; .*the first: .*\.mp4: .*",
        stopped.value.code,
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_where_no_video_can_be_decoded_the_line_is_about_a_video_and_not_about_workers(tmp_path, workers):
    root = tmp_path / "videos"
    root.mkdir()
    for number in range(4):
        (root / f"{number}.mp4").write_text("no video")
    with pytest.raises(SystemExit) as stopped:
        pretrain.main(flags_of(root, tmp_path / "out", max_unreadable=1, dataloader_num_workers=workers))
    assert re.fullmatch(rf"error: {root}/[0-3]\.mp4: it is not a video.*", stopped.value.code)


def test_too_many_undecodable_videos_of_a_stream_end_it_in_one_line(tmp_path):
    write_shards(tmp_path, shards=2, videos_per_shard=10, broken=tuple(range(1, 16)))
    stream = {"dataset": "shards", "clips_per_epoch": 40, "dataloader_num_workers": 1}
    with pytest.raises(SystemExit) as stopped:
        pretrain.main(flags_of(tmp_path, tmp_path / "out", **stream))
    assert re.match(r"error: \d of the first \d+ videos can't be read", stopped.value.code)
    assert "Traceback" not in stopped.value.code and "\n" not in stopped.value.code


def test_a_resumed_run_of_a_stream_keeps_what_was_found_before(tmp_path):
    write_shards(tmp_path, shards=2, videos_per_shard=4, broken=(3,))
    flags = {"dataset": "shards", "clips_per_epoch": 8, "save_strategy": "epoch", "max_unreadable": 0.2}
    pretrain.main(flags_of(tmp_path, tmp_path / "out", num_train_epochs=1, **flags))
    VideoFindings(tmp_path / "out" / FINDINGS).add("unreadable", "earlier.mp4", "empty file")
    resumed = {**flags, "num_train_epochs": 2, "resume_from_checkpoint": "true"}
    pretrain.main(flags_of(tmp_path, tmp_path / "out", **resumed))
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert [failure["video"] for failure in results["unreadable"]] == ["003.mp4", "earlier.mp4"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--objective"], "argument --objective: expected one argument"),
        (["--max_unreadable", "-0.1"], "--max_unreadable is -0.1; it must lie between 0 and 1"),
        (["--max_unreadable", "5"], "--max_unreadable is 5; it must lie between 0 and 1"),
        (["--frame_stride", "0"], "frame_stride is 0; it must be positive"),
        (["--target_fps", "0"], r"target_fps is 0; it must be positive"),
        (["--annotations", "list.txt"], "--annotations is list.txt, but --dataset videos takes all videos"),
        (["--split", "2"], "--split 2, but --dataset videos has neither groups nor splits"),
        (["--eval_strategy", "epoch"], "--eval_strategy is epoch, but there are no validation videos; set it to no"),
        (["--bf16_full_eval", "true"], "--bf16_full_eval casts the model and not the clips; set --bf16"),
        (["--config", "nowhere.yaml"], "--config nowhere.yaml: no such file"),
        (["--queue_length", "4"], "unrecognized arguments: --queue_length 4"),
        (["--resume_from_checkpoint", "nowhere"], "--resume_from_checkpoint nowhere is not a whole checkpoint"),
    ],
)
def test_a_wrong_flag_ends_it_in_one_line_before_training(videos, tmp_path, wrong, message, capsys, monkeypatch):
    monkeypatch.setattr(Trainer, "train", lambda *a, **k: pytest.fail("it trained"))
    with pytest.raises(SystemExit) as stopped:
        pretrain.main([*flags_of(videos, tmp_path / "out"), *wrong])
    line = capsys.readouterr().err if isinstance(stopped.value.code, int) else stopped.value.code
    assert stopped.value.code != 0 and re.search(message, line) and line.strip().count("\n") == 0


def test_a_metric_that_the_objective_lacks_ends_it_before_the_first_step(shapes, tmp_path):
    flags = {"dataset": "moving_shapes", "validation_fraction": 0.2, "eval_strategy": "epoch"}
    wrong = r"error: --metric_for_best_model is 'accuracy'; allowed are loss, speed_accuracy, .*mean speed_accuracy\?"
    with pytest.raises(SystemExit, match=wrong):
        pretrain.main(flags_of(shapes, tmp_path / "out", metric_for_best_model="accuracy", **flags))
    assert not list((tmp_path / "out").glob("checkpoint-*"))


def test_a_typing_error_in_a_file_of_flags_is_named(videos, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("objective: rspnet\ntemprature: 0.1\n")
    with pytest.raises(SystemExit, match="2"):
        pretrain.main(["--config", str(recipe), "--model_type", "c3d", "--dataset_root", str(videos)])
    said = f"error: {recipe}: unrecognized arguments: --temprature (did you mean --temperature?)\n"
    assert capsys.readouterr().err.endswith(said)


@pytest.mark.slow
def test_the_script_on_two_processes_says_once_that_the_queue_is_cut_and_lists_what_either_met(run_script, mixed):
    out = mixed.parent / "out"
    one_step = {"per_device_train_batch_size": 6, "queue_size": 15, "num_train_epochs": 1}
    done = run_script("pretrain", *flags_of(mixed, out, max_unreadable=0.3, **one_step), processes=2)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("--queue_size 15 is cut to 12, a multiple of 12") == 1
    assert done.stderr.count("1 of 12 videos are shorter") == done.stderr.count("The model is in") == 1
    assert load_file(out / OBJECTIVE_NAME)["queue"].shape == (12, 6)
    results = json.loads((out / "all_results.json").read_text())
    assert names(results["unreadable"]) == BAD and results["short_videos"] == 1


@pytest.mark.slow
def test_a_mistake_is_one_line_of_the_script_too(run_script, tmp_path):
    done = run_script("pretrain", "--objective", "rspnet", "--model_type", "c3d", "--dataset_root", tmp_path / "none")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    error = done.stderr.strip().splitlines()[-1]
    assert error == f"error: --dataset_root {tmp_path / 'none'} is not a folder; give the folder of the videos"
