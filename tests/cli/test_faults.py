"""What cuts a run short: the last whole checkpoint survives, and the resumed run ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from processes import command_of
from safetensors.torch import load_file

from hf_selfdistill.cli import finetune
from hf_selfdistill.training.checkpoints import last_checkpoint
from hf_selfdistill.training.manifest import check_manifest

SCRIPT = Path(__file__).parents[2] / "scripts" / "finetune.py"
DIES_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
from hf_selfdistill.cli import finetune
from hf_selfdistill.self_distillation.teacher import Teacher

def cut_short(teacher, folder):
    Path(folder, "teacher.safetensors").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

Teacher.save = cut_short
finetune.main(sys.argv[1:])
"""
KILLED_AFTER = """
import signal, sys

def arm(event, args):
    if event == "os.mkdir" and str(args[0]) == sys.argv[1]:
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[2]))

sys.addaudithook(arm)
from hf_selfdistill.cli import finetune
finetune.main(sys.argv[3:])
"""
SETTINGS = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 50, "num_train_epochs": 4}


def start(flags, program=(str(SCRIPT),), **kwargs):
    return subprocess.Popen(
        [sys.executable, *program, *flags],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        **kwargs,
    )


def wait_for(condition, process, seconds=100):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end and process.poll() is None, "the run ended or hung before it could be hit"
        time.sleep(0.005)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_resumes_and_ends_in_the_same_model(shapes, tiny_flags, fine_tuned, tmp_path):
    # All in processes of their own: the number of threads decides the last bits. An alarm of the kernel, set when the
    # folder of a checkpoint is made, ends the process within a step or while it saves, however busy the machine is.
    pre_trained = {"model_name_or_path": fine_tuned, "config_overrides": None}  # has a teacher
    settings = {**SETTINGS, **pre_trained, "num_train_epochs": 8}
    whole = start(tiny_flags(shapes, tmp_path / "whole", **settings))
    out = tmp_path / "killed"
    draw = random.Random(0)
    for after in (2, 9):
        resume = {"resume_from_checkpoint": "true"} if out.is_dir() else {}
        moment = [str(out / f"checkpoint-{after}"), str(draw.uniform(0.001, 0.05))]
        process = start(moment + tiny_flags(shapes, out, **settings, **resume), ("-c", KILLED_AFTER))
        process.communicate()
        assert process.returncode == -signal.SIGALRM
    check_that_one_dies_while_saving(tiny_flags(shapes, out, **settings, resume_from_checkpoint="true"), out)
    last = start(tiny_flags(shapes, out, **settings, resume_from_checkpoint="true"))
    for process in (whole, last):
        _, error = process.communicate(timeout=200)
        assert process.returncode == 0, error
    whole, resumed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def check_that_one_dies_while_saving(flags, out):
    dying = start(flags, ("-c", DIES_WHILE_SAVING))
    _, error = dying.communicate(timeout=100)
    assert dying.returncode == -signal.SIGKILL, error
    (half,) = [
        folder for folder in out.glob("checkpoint-*") if (folder / "teacher.safetensors").read_bytes() == b"half"
    ]
    assert (half / "model.safetensors").is_file() and not (half / "trainer_state.json").exists()


@pytest.mark.parametrize("damage", ["missing", "half of it"])
def test_a_checkpoint_without_a_whole_teacher_is_refused_in_one_line(shapes, tiny_flags, fine_tuned, tmp_path, damage):
    pre_trained = {"model_name_or_path": fine_tuned, "config_overrides": None}
    finetune.main(tiny_flags(shapes, tmp_path / "first", **pre_trained, num_train_epochs=1))
    checkpoint = next((tmp_path / "first").glob("checkpoint-*"))
    (checkpoint / "manifest.json").unlink()  # as an earlier version made it
    teacher = checkpoint / "teacher.safetensors"
    content = teacher.read_bytes()
    teacher.unlink()
    if damage == "half of it":
        teacher.write_bytes(content[: len(content) // 2])
    with pytest.raises(SystemExit) as stopped:
        finetune.main(tiny_flags(shapes, tmp_path / "out", **pre_trained, resume_from_checkpoint=checkpoint))
    message = stopped.value.code
    named = (
        f"error: {teacher} is damaged"
        if damage == "half of it"
        else f"error: the teacher can't be restored from {teacher}"
    )
    assert message.startswith(named) and "\n" not in message
    assert "resume from another checkpoint" in message


def test_a_disk_that_is_full_while_saving_ends_the_run_and_spares_the_last_checkpoint(shapes, tiny_flags, tmp_path):
    out = tmp_path / "out"
    flags = {**SETTINGS, "num_train_epochs": 2}
    finetune.main(tiny_flags(shapes, out, **{**flags, "num_train_epochs": 1}))
    last = max(out.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    before = {file.name: file.read_bytes() for file in last.iterdir()}
    largest = (last / "model.safetensors").stat().st_size

    def little_room():
        # Writing beyond this size fails as writing to a full disk does, instead of killing the process.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest // 2, largest // 2))

    process = start(tiny_flags(shapes, out, **flags, resume_from_checkpoint="true"), preexec_fn=little_room)
    _, error = process.communicate(timeout=100)
    assert process.returncode == 1
    assert error.strip().splitlines()[-1].startswith("error: ") and "Traceback" not in error
    assert {file.name: file.read_bytes() for file in last.iterdir()} == before
    finetune.main(tiny_flags(shapes, out, **flags, resume_from_checkpoint="true"))


def start_two_ranks(tiny_flags, shapes, out):
    flags = tiny_flags(shapes, out, **{**SETTINGS, "num_train_epochs": 200, "save_steps": 3, "save_total_limit": 2})
    return subprocess.Popen(
        [*command_of(SCRIPT, processes=2), *flags],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_a_rank_that_dies_ends_the_job_within_a_minute(shapes, tiny_flags, tmp_path):
    out = tmp_path / "out"
    job = start_two_ranks(tiny_flags, shapes, out)
    try:
        wait_for(lambda: any(out.glob("checkpoint-*")), job)
        ranks = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        assert len(ranks) == 2
        os.kill(int(ranks[1]), signal.SIGKILL)
        died = time.monotonic()
        job.communicate(timeout=60)
        assert time.monotonic() - died < 60
        assert job.returncode != 0
    finally:
        job.kill()


@pytest.mark.slow
def test_a_signal_to_one_of_two_ranks_ends_both_at_the_same_step_with_a_whole_checkpoint(shapes, tiny_flags, tmp_path):
    out = tmp_path / "out"
    job = start_two_ranks(tiny_flags, shapes, out)
    try:
        wait_for(lambda: any(out.glob("checkpoint-*/manifest.json")), job)
        ranks = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        os.kill(int(ranks[1]), signal.SIGTERM)
        _, error = job.communicate(timeout=60)
    finally:
        job.kill()
    assert job.returncode != 0 and error.count("the same command continues the run") == 1
    last = last_checkpoint(out)
    assert f"stopped after {last.name};" in error and len(list(last.glob("rng_state_*.pth"))) == 2
    check_manifest(last)
