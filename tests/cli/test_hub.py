"""The commands against a Hub in memory: uploads while training, resuming from there, and what can go wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hub_server import LFS_OVER
from safetensors.torch import load_file

from hf_selfdistill import C3DModel, C3DVideoProcessor
from hf_selfdistill.cli import finetune
from hf_selfdistill.pretraining.objective import OBJECTIVE_NAME
from hf_selfdistill.pretraining.pace import Pace

SCRIPT = Path(__file__).parents[2] / "scripts" / "finetune.py"
WEIGHTS = "model.safetensors"
TINY = "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16"


@pytest.mark.slow
def test_a_run_uploads_its_checkpoints_and_resumes_from_them_as_from_a_folder(
    hub, run_online, shapes, tiny_flags, fine_tuned, tmp_path
):
    pre_trained = {"model_name_or_path": fine_tuned, "config_overrides": None}
    pushes = {
        **pre_trained,
        "push_to_hub": True,
        "hub_strategy": "checkpoint",
        "hub_private_repo": True,
        "hub_always_push": True,
    }
    run_online(SCRIPT, *tiny_flags(shapes, tmp_path / "run", **pushes))
    repository = hub.repositories["tester/run"]
    assert repository.private and len(repository.files[WEIGHTS]) > LFS_OVER
    assert repository.files[WEIGHTS] in hub.large.values()
    assert repository.titles[-1] == "End of training"
    assert "Training in progress, epoch 1, checkpoint" in repository.titles
    files = [file for file in (tmp_path / "run").iterdir() if file.is_file() and file.name != "_run.lock"]
    local = {file.name: file.read_bytes() for file in files}
    assert {name: repository.files[name] for name in local} == local
    assert b'model="tester/run"' in repository.files["README.md"]
    checkpoint = {name for name in repository.files if name.startswith("last-checkpoint/")}
    assert {"last-checkpoint/trainer_state.json", "last-checkpoint/teacher.safetensors"} <= checkpoint

    longer = {**pre_trained, "num_train_epochs": 3}
    words = tiny_flags(shapes, tmp_path / "there", **longer, resume_from_checkpoint="tester/run", push_to_hub=True)
    run_online(SCRIPT, *words, "--hub_model_id", "tester/run")  # which exists by now
    assert repository.titles.count("initial commit") == 1
    last = tmp_path / "run" / "checkpoint-8"
    finetune.main(tiny_flags(shapes, tmp_path / "here", **longer, resume_from_checkpoint=last))
    here, there = load_file(tmp_path / "here" / WEIGHTS), load_file(tmp_path / "there" / WEIGHTS)
    for name, value in here.items():
        # Two processes: small products are summed in an order that depends on where their memory lies.
        torch.testing.assert_close(there[name], value, rtol=0, atol=1e-6)
    assert repository.files[WEIGHTS] == (tmp_path / "there" / WEIGHTS).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "request_end"),
    [("refuses", "/preupload/main"), ("refuses", "/objects/batch"), ("breaks", "/commit/main")],
)
def test_an_upload_that_fails_is_one_line_and_nothing_is_lost(
    hub, run_online, shapes, tiny_flags, tmp_path, wrong, request_end
):
    setattr(hub, wrong, lambda request: request.endswith(request_end))
    done = run_online(SCRIPT, *tiny_flags(shapes, tmp_path / "run", push_to_hub=True), code=1)
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("error: the upload to tester/run failed (") and "hf upload tester/run" in lines[-1]
    assert any(line.startswith("An upload failed; training continues") for line in lines)
    assert "Traceback" not in done.stderr
    assert {"README.md", WEIGHTS, "all_results.json", "checkpoint-8"} <= {
        file.name for file in (tmp_path / "run").iterdir()
    }


def test_a_wrong_token_is_one_line_before_anything_is_trained(hub, run_online, shapes, tiny_flags, tmp_path):
    done = run_online(SCRIPT, *tiny_flags(shapes, tmp_path / "run", push_to_hub=True), token="hf_wrong", code=1)
    assert done.stderr.strip().splitlines()[-1].startswith("error: ") and "401" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr and not list((tmp_path / "run").glob("checkpoint-*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tester/none", "can't be downloaded from the Hub"),
        ("tester/plain", "has no last-checkpoint"),
        ("tester/plain/checkpoint-4", "has no checkpoint-4"),
    ],
)
def test_a_name_without_a_checkpoint_is_one_line(hub, run_online, shapes, tiny_flags, tmp_path, name, says):
    hub.add("tester/plain")
    done = run_online(SCRIPT, *tiny_flags(shapes, tmp_path / "run", resume_from_checkpoint=name), code=1)
    assert says in done.stderr.strip().splitlines()[-1] and "Traceback" not in done.stderr


def test_the_best_checkpoint_must_be_here_where_it_is_to_be_loaded(shapes, tiny_flags, tmp_path):
    best = {"eval_strategy": "epoch", "load_best_model_at_end": True, "metric_for_best_model": "video_top1"}
    finetune.main(tiny_flags(shapes, tmp_path / "run", **best))
    moved = (tmp_path / "run").rename(tmp_path / "moved") / "checkpoint-8"
    with pytest.raises(SystemExit, match=r"best checkpoint so far, .*checkpoint-[48], is missing"):
        finetune.main(tiny_flags(shapes, tmp_path / "new", **best, resume_from_checkpoint=moved))


@pytest.mark.slow
def test_the_heads_of_an_encoder_on_the_hub_are_measured_at_the_rate_that_is_asked_for(
    hub, run_online, fine_tuned, shapes, tmp_path
):
    encoder = C3DModel.from_pretrained(fine_tuned)
    encoder.save_pretrained(tmp_path / "encoder")
    C3DVideoProcessor.from_pretrained(fine_tuned).save_pretrained(tmp_path / "encoder")
    Pace(encoder, Pace.Arguments()).save(tmp_path / "encoder")
    files = {file.name: file.read_bytes() for file in (tmp_path / "encoder").iterdir()}
    hub.add("tester/encoder")
    hub.repositories["tester/encoder"].commit("an encoder", files)
    words = f"--task forgetting --before tester/encoder --model_name_or_path {fine_tuned} --dataset moving_shapes"
    words += f" --dataset_root {shapes} --num_clips 1 --target_fps 5 --use_cpu --output_file {tmp_path / 'f.json'}"
    run_online("-m", "hf_selfdistill", "evaluate", *words.split())
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["objective"]["name"] == "pace" and "at 5 fps" in report["protocol"]


@pytest.mark.slow
def test_a_pre_trained_encoder_is_uploaded_with_its_card_and_heads(hub, run_online, shapes, tmp_path):
    words = f"--objective pace --model_type c3d --config_overrides {TINY} --dataset_root {shapes} --use_cpu "
    words += f"--output_dir {tmp_path / 'encoder'} --num_train_epochs 2 --per_device_train_batch_size 4 "
    words += "--logging_steps 2 --push_to_hub true --save_strategy epoch"
    run_online(SCRIPT.with_name("pretrain.py"), *words.split())
    repository = hub.repositories["tester/encoder"]
    assert {WEIGHTS, OBJECTIVE_NAME, "README.md", "training_curves.png"} <= repository.files.keys()
    card = repository.files["README.md"].decode()
    assert 'from_pretrained("tester/encoder")' in card and "epochs | 2 of 2" in card
    assert repository.titles[-1] == "End of training"
