from __future__ import annotations

import json
import os
import socket
import subprocess

import pytest

from hf_selfdistill.commands.run_queue import Job, run_jobs


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path / "run", (("--help",),))


@pytest.fixture
def ended_process():
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def test_a_finished_job_says_what_it_was_made_with_and_how_long_it_took(job):
    run_jobs([job], [""])
    facts = json.loads((job.folder / "finished.json").read_text())
    assert facts["decoder"].startswith("PyAV ") and facts["commit"] and facts["wall_seconds"] > 0
    assert "usage: hf-selfdistill" in (job.folder / "log.txt").read_text()
    assert not (job.folder / "claimed.txt").exists() and job.failure is None


@pytest.mark.parametrize("host", ["another-machine", socket.gethostname()])
def test_what_another_machine_or_a_living_process_has_claimed_is_left_to_it(job, host):
    job.folder.mkdir()
    claim = f"{host} {os.getpid()}"
    (job.folder / "claimed.txt").write_text(claim)
    run_jobs([job], [""])
    assert not job.is_finished and (job.folder / "claimed.txt").read_text() == claim


def test_what_a_killed_process_had_claimed_is_taken_over(job, ended_process):
    job.folder.mkdir()
    (job.folder / "claimed.txt").write_text(f"{socket.gethostname()} {ended_process}")
    run_jobs([job], [""])
    assert job.is_finished


def test_a_job_on_several_devices_has_a_process_on_each(job):
    run_jobs([job], ["a,b"])
    assert job.is_finished and (job.folder / "log.txt").read_text().count("usage: hf-selfdistill") == 2


def test_why_it_failed_is_its_own_words_and_not_those_of_what_started_it(tmp_path):
    words = ("evaluate", "--model_name_or_path", "m", "--dataset", "x", "--use_cpu", "--output_file", str(tmp_path))
    job = Job(tmp_path / "run", (words,))
    run_jobs([job], ["a,b"])
    assert job.failure.startswith(f"error: --output_file {tmp_path} is a folder")
    assert "ChildFailedError" in (job.folder / "log.txt").read_text()
