from __future__ import annotations

import json
import os
import time

import pytest

from hf_selfdistill.commands.job import Job
from hf_selfdistill.commands.job_record import facts_of
from hf_selfdistill.commands.run_queue import run_jobs


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path / "run", (("--help",),))


def finish(job, seconds=1.0):
    """As if it had run."""
    job.folder.mkdir(exist_ok=True)
    made_from = [*job.made_from, *[{} for _ in job.commands]]
    done = [
        {"words": words, "made_from": own, "commit": "abc", "decoder": "PyAV"}
        for words, own in zip(job.commands, made_from, strict=False)
    ]
    (job.folder / "done.json").write_text(json.dumps({"commands": done, "wall_seconds": seconds, "host": "h"}))


def begun(job):
    return [command["words"] for command in json.loads((job.folder / "commands.json").read_text())["commands"]]


def test_a_finished_job_says_what_it_was_made_with_and_how_long_it_took(job):
    run_jobs([job], [""])
    facts = facts_of(job.folder)
    assert facts["decoder"].startswith("PyAV ") and facts["commit"] and facts["wall_seconds"] > 0
    assert "usage: hf-selfdistill" in (job.folder / "log.txt").read_text()
    assert job.is_finished and job.failure is None and "commands" not in facts


def test_a_job_on_several_devices_has_a_process_on_each(job):
    run_jobs([job], ["a,b"])
    assert job.is_finished and (job.folder / "log.txt").read_text().count("usage: hf-selfdistill") == 2


def test_why_it_failed_is_its_own_words_and_not_those_of_what_started_it(tmp_path):
    words = ("evaluate", "--model_name_or_path", "m", "--dataset", "x", "--use_cpu", "--output_file", str(tmp_path))
    job = Job(tmp_path / "run", (words,))
    run_jobs([job], ["a,b"])
    assert job.failure.startswith(f"error: --output_file {tmp_path} is a folder")
    assert "ChildFailedError" in (job.folder / "log.txt").read_text()


def test_commands_that_came_to_a_finished_job_are_all_that_remains(job):
    finish(job)
    longer = Job(job.folder, (*job.commands, ("evaluate", "--help")))
    assert longer.remaining == (("evaluate", "--help"),) and not longer.is_finished
    longer.check_unchanged()
    run_jobs([longer], [""])
    assert longer.is_finished and "Test a fine-tuned video classifier" in (job.folder / "log.txt").read_text()
    assert facts_of(job.folder)["wall_seconds"] > 1


def test_what_it_was_made_from_is_compared_by_its_hash_and_not_by_its_place(tmp_path):
    words = ("finetune", "--model_name_or_path", "/a/encoders/c3d", "--output_dir", "OUT")
    finish(Job(tmp_path, (words,), ({"encoder_hash": "11111111111"},)))
    moved = ("finetune", "--model_name_or_path", "/b/mine", "--output_dir", "OUT")
    Job(tmp_path, (moved,), ({"encoder_hash": "11111111111", "reference_hash": "3"},)).check_unchanged()
    with pytest.raises(ValueError, match=r"was made with --model_name_or_path encoders/c3d, not .*b/mine"):
        Job(tmp_path, (moved,)).check_unchanged()
    with pytest.raises(ValueError, match="was made when the encoder hash was 11111111, which is 22222222 now"):
        Job(tmp_path, (words,), ({"encoder_hash": "22222222222"},)).check_unchanged()


def test_what_only_a_command_to_come_is_made_from_may_change(tmp_path):
    words = (("finetune", "--seed", "1"), ("evaluate", "--task", "forgetting"))
    finish(Job(tmp_path, words[:1], ({"train_hash": "1"},)))
    repaired = Job(tmp_path, words, ({"train_hash": "1"}, {"reference_hash": "other"}))
    repaired.check_unchanged()
    assert repaired.remaining == words[1:] and Job(tmp_path, words[:1]).is_finished


def test_tests_that_come_later_leave_log_and_commit_of_the_training(job, monkeypatch):
    monkeypatch.setattr("hf_selfdistill.commands.job.provenance", lambda: {"commit": "then", "decoder": "d"})
    run_jobs([job], [""])
    monkeypatch.setattr("hf_selfdistill.commands.job.provenance", lambda: {"commit": "now", "decoder": "d"})
    longer = Job(job.folder, (*job.commands, ("evaluate", "--help")), ({}, {"reference_hash": "r"}))
    run_jobs([longer], [""])
    facts = facts_of(job.folder)
    assert (facts["commit"], facts["test_commit"], facts["reference_hash"]) == ("then", "now", "r")
    log = (job.folder / "log.txt").read_text()
    assert "usage: hf-selfdistill <" in log and "usage: hf-selfdistill evaluate" in log and log.count("--- 20") == 2


def test_other_values_are_refused_but_for_those_that_change_nothing(tmp_path):
    words = ("finetune", "--num_train_epochs", "9", "--output_dir", "OUT")
    finish(Job(tmp_path, (words,)))
    Job(
        tmp_path, ((*words, "--dataloader_num_workers=9", "--use_cpu", "true", "--max_unreadable", "1"),)
    ).check_unchanged()
    Job(tmp_path, ((*words[:-1], "moved/OUT"),)).check_unchanged()
    longer = Job(tmp_path, (("finetune", "--num_train_epochs", "40", "--output_dir", "OUT"),))
    with pytest.raises(ValueError, match="was made with --num_train_epochs 9, not --num_train_epochs 40;"):
        longer.check_unchanged()


def test_a_damaged_file_is_named_with_the_cure(job):
    finish(job)
    (job.folder / "done.json").write_text("")
    with pytest.raises(ValueError, match=r"done\.json is damaged .* take it away"):
        job.check_unchanged()


def test_a_new_attempt_takes_away_how_the_last_one_failed(tmp_path, monkeypatch):
    monkeypatch.setattr("hf_selfdistill.commands.job._launcher", lambda device: ["true"])
    job = Job(tmp_path, (("pretrain",),))
    (tmp_path / "failed.txt").write_text("error: then")
    assert job.failure == "error: then"
    job.start("").wait()
    assert job.failure is None


def test_what_was_stopped_goes_on_from_its_last_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr("hf_selfdistill.commands.job._launcher", lambda device: ["true"])
    job = Job(tmp_path, (("pretrain", "--max_steps", "9"), ("evaluate", "--num_clips", "1")))
    job.start("").wait()
    assert begun(job) == [list(words) for words in job.commands]
    other = Job(tmp_path, (("pretrain", "--max_steps", "7"),))
    other.check_unchanged()  # nothing was done yet
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-3" / "trainer_state.json").write_text("{}")
    job.start("").wait()
    assert begun(job)[0][-2:] == ["--resume_from_checkpoint", "true"] and begun(job)[1][0] == "evaluate"
    job.check_unchanged()
    with pytest.raises(ValueError, match="was made with --max_steps 9, not --max_steps 7"):
        other.check_unchanged()


def test_what_succeeded_is_not_done_again_where_what_came_after_it_failed(tmp_path):
    model, nothing = tmp_path / "model", tmp_path / "nothing"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "c3d", "id2label": {"0": "a", "1": "b"}}')
    job = Job(tmp_path / "job", (("report", "--run", str(model)), ("report", "--run", str(nothing))))
    run_jobs([job], [""])
    assert "is no fine-tuned model" in job.failure and not job.is_finished and job.remaining == job.commands[1:]
    with pytest.raises(ValueError, match="was made with --run"):
        Job(job.folder, (job.commands[1], job.commands[1])).check_unchanged()
    model.rename(nothing)  # the first command would fail now
    job.check_unchanged()
    run_jobs([job], [""])
    assert job.is_finished and job.failure is None


def test_the_time_of_a_killed_attempt_counts_until_it_last_spoke(job):
    job.folder.mkdir()
    attempt = {"done": 0, "commands": [], "made_with": {}, "seconds_before": 0.0}
    (job.folder / "commands.json").write_text(json.dumps(attempt))
    (job.folder / "log.txt").write_text("killed here")
    begun = time.time() - 1000
    os.utime(job.folder / "commands.json", (begun, begun))
    os.utime(job.folder / "log.txt", (begun + 600, begun + 600))
    run_jobs([job], [""])
    assert 600 < facts_of(job.folder)["wall_seconds"] < 700
