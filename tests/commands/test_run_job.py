import json

import pytest
from filelock import FileLock, Timeout

from hf_selfdistill.cli import run_job


@pytest.fixture
def job(tmp_path):
    def write(*commands):
        file = tmp_path / "commands.json"
        asked = [{"words": words, "made_from": {}} for words in commands]
        made_with = {"commit": "c", "decoder": "d"}
        file.write_text(json.dumps({"done": 0, "made_with": made_with, "commands": asked, "seconds_before": 0.0}))
        return str(file)

    return write


def test_the_commands_run_one_after_the_other(job, monkeypatch):
    ran = []
    monkeypatch.setattr(run_job, "main", ran.append)
    run_job.run_job(job(["finetune", "--seed", "1"], ["evaluate", "--num_clips", "2"]))
    assert ran == [["finetune", "--seed", "1"], ["evaluate", "--num_clips", "2"]]


def test_while_it_runs_its_folder_is_locked(job, monkeypatch, tmp_path):
    seen = []

    def look(words):
        with pytest.raises(Timeout):
            FileLock(tmp_path / "working.lock", is_singleton=False).acquire(timeout=0)
        seen.append(words)

    monkeypatch.setattr(run_job, "main", look)
    run_job.run_job(job(["finetune"]))
    assert seen == [["finetune"]]
    FileLock(tmp_path / "working.lock").acquire(timeout=0).lock.release()


def test_none_comes_after_one_that_failed(job, tmp_path, capsys):
    later = ["convert", "--source", "rspnet", "--checkpoint", str(tmp_path), "--output_dir", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as stopped:
        run_job.run_job(job(["report", "--run", str(tmp_path / "nothing")], later))
    assert "nothing is no fine-tuned model" in str(stopped.value.code) and "convert" not in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
