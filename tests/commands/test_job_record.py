import json

import pytest

from hf_selfdistill.commands.job_record import done_commands, facts_of, note_done, seconds_done

MADE_WITH = {"commit": "then", "decoder": "d"}


@pytest.fixture
def attempt(tmp_path):
    """An attempt at what is left, with a commit of its own."""

    def write(done, *commands, commit="then", seconds_before=100.0):
        file = tmp_path / "commands.json"
        asked = [{"words": words, "made_from": made_from} for words, made_from in commands]
        facts = {"done": done, "commands": asked, "made_with": {**MADE_WITH, "commit": commit}}
        file.write_text(json.dumps({**facts, "seconds_before": seconds_before}))
        return file

    return write


def test_of_an_untouched_folder_nothing_is_done(tmp_path):
    assert done_commands(tmp_path) == [] and seconds_done(tmp_path) == 0


def test_a_run_of_an_earlier_version_is_not_overwritten(tmp_path):
    (tmp_path / "finished.json").write_text("{}")
    with pytest.raises(ValueError, match=r"finished\.json was written by an earlier version.* another --output_dir"):
        done_commands(tmp_path)


def test_each_command_has_the_commit_of_the_attempt_that_did_it(attempt, tmp_path):
    training, test, kept = (
        (["finetune"], {"train_hash": "1", "test_hash": "2"}),
        (["evaluate"], {"test_hash": "2"}),
        (["evaluate", "--task", "forgetting"], {"reference_hash": "3"}),
    )
    file = attempt(0, training, test, kept)
    note_done(file)
    assert [command["words"] for command in done_commands(tmp_path)] == [["finetune"]]
    note_done(file)
    note_done(attempt(2, kept, commit="now", seconds_before=200.0))
    assert [command["commit"] for command in done_commands(tmp_path)] == ["then", "then", "now"]
    facts = facts_of(tmp_path)
    assert (facts["train_hash"], facts["test_hash"], facts["reference_hash"]) == ("1", "2", "3")
    assert (facts["commit"], facts["test_commit"]) == ("then", "then")
    assert 200 <= facts["wall_seconds"] == seconds_done(tmp_path) < 210
