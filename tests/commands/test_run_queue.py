from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time

import pytest
from filelock import FileLock

from hf_selfdistill.commands.job import Job
from hf_selfdistill.commands.run_queue import run_jobs


@pytest.fixture
def jobs(tmp_path):
    return [Job(tmp_path / name, (("--help",),)) for name in ("first", "second", "third")]


@pytest.fixture(autouse=True)
def _interruptible():
    """Also where the tests were started in the background, where shells have Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def sleepers(jobs, monkeypatch):
    """The processes of jobs that would run for a minute each."""
    begun = []

    def start(job, device):
        begun.append(subprocess.Popen(["sleep", "60"]))
        return begun[-1]

    monkeypatch.setattr(Job, "start", start)
    return begun


def test_all_jobs_are_run_and_none_twice(jobs):
    run_jobs(jobs[:2], ["", ""])
    ended = [(job.folder / "log.txt").stat().st_mtime for job in jobs[:2]]
    run_jobs(jobs, ["", ""])
    assert all(job.is_finished and job.failure is None for job in jobs)
    assert ended == [(job.folder / "log.txt").stat().st_mtime for job in jobs[:2]]


def test_what_another_process_is_at_is_waited_for_and_not_run_again(jobs, monkeypatch):
    monkeypatch.setattr("hf_selfdistill.commands.run_queue.LOOK_AGAIN", 0.1)
    first = jobs[0]
    first.folder.mkdir()
    elsewhere = FileLock(first.folder / "running.lock", thread_local=False)
    elsewhere.acquire()

    def end():
        done = [{"words": words, "made_from": {}} for words in first.commands]
        (first.folder / "done.json").write_text(json.dumps({"commands": done}))
        elsewhere.release()

    threading.Timer(1, end).start()
    run_jobs([first], [""])
    assert first.is_finished and not (first.folder / "log.txt").exists()


def test_what_a_killed_queue_has_left_at_work_is_waited_for(jobs, monkeypatch):
    monkeypatch.setattr("hf_selfdistill.commands.run_queue.LOOK_AGAIN", 0.1)
    jobs[0].folder.mkdir()
    orphan = FileLock(jobs[0].folder / "working.lock", thread_local=False)
    orphan.acquire()
    released = []
    threading.Timer(1, lambda: (released.append(time.time()), orphan.release())).start()
    run_jobs(jobs[:1], [""])
    assert jobs[0].is_finished and (jobs[0].folder / "commands.json").stat().st_mtime >= released[0] - 0.1


def test_who_waits_for_another_process_can_be_interrupted(jobs):
    jobs[0].folder.mkdir()
    with FileLock(jobs[0].folder / "running.lock"):
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            run_jobs(jobs[:1], [""])
    assert not jobs[0].is_finished


def test_what_another_process_left_unfinished_is_taken_over(jobs):
    run_jobs(jobs[1:2], [""])
    (jobs[1].folder / "done.json").unlink()
    run_jobs(jobs[1:2], [""])
    assert jobs[1].is_finished


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_what_runs_begins_nothing_and_is_no_failure(jobs, sleepers, number):
    threading.Timer(1, os.kill, (os.getpid(), number)).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, [""])
    assert time.monotonic() - begin < 10
    assert [process.poll() for process in sleepers] == [-signal.SIGTERM]
    assert not any(job.is_finished or job.failure for job in jobs)


def test_a_job_that_cannot_be_started_ends_the_queue_at_once(jobs, monkeypatch):
    def start(job, device):
        begun.append(job)
        raise OSError("no space left")

    begun = []
    monkeypatch.setattr(Job, "start", start)
    with pytest.raises(OSError, match="no space left"):
        run_jobs(jobs, [""])
    assert begun == jobs[:1]


def test_what_was_made_by_other_commands_is_refused_before_anything_runs(jobs):
    run_jobs(jobs[:1], [""])
    other = Job(jobs[0].folder, (("finetune", "--num_train_epochs", "9"),))
    with pytest.raises(ValueError, match=r"first was made without finetune; give another --output_dir"):
        run_jobs([jobs[1], other], [""])
    assert not jobs[1].folder.exists()
