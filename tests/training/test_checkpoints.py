import pytest

from hf_selfdistill import C3DConfig
from hf_selfdistill.training import checkpoints as module
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.checkpoints import changed_parameters, check_same_data, find_checkpoint
from hf_selfdistill.training.record import Input, Result, RunRecord


def checkpoint_to_resume(given, output_dir, config, **arguments):
    args = VideoTrainingArguments(output_dir, resume_from_checkpoint=given, use_cpu=True, **arguments)
    return module.checkpoint_to_resume(args, config)


@pytest.fixture
def checkpoints(tmp_path):
    for step in (2, 10, 20):
        C3DConfig().save_pretrained(tmp_path / f"checkpoint-{step}")
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    (tmp_path / "all_results.json").write_text("{}")  # the run is finished
    return tmp_path


def test_true_means_the_last_whole_checkpoint(checkpoints):
    assert checkpoint_to_resume("true", str(checkpoints), C3DConfig()).endswith("checkpoint-20")
    (checkpoints / "checkpoint-20" / "trainer_state.json").unlink()  # as a crash while saving leaves it
    assert checkpoint_to_resume("true", str(checkpoints), C3DConfig()).endswith("checkpoint-10")
    (checkpoints / "checkpoint-10" / "trainer_state.json").write_text('{"epoch": 1.')  # as a full disk does
    assert checkpoint_to_resume("true", str(checkpoints), C3DConfig()).endswith("checkpoint-2")


@pytest.mark.parametrize(
    ("other", "named"), [({"hidden_sizes": [4, 8, 8, 8, 8]}, "hidden_sizes"), ({"num_labels": 7}, "id2label")]
)
def test_a_checkpoint_of_another_model_is_refused_by_what_differs(checkpoints, other, named):
    with pytest.raises(ValueError, match=named):
        checkpoint_to_resume("true", str(checkpoints), C3DConfig(**other))


def test_a_path_means_itself_and_nothing_means_a_new_run(checkpoints):
    path = str(checkpoints / "checkpoint-2")
    assert checkpoint_to_resume(path, "elsewhere", C3DConfig()) == path
    assert checkpoint_to_resume(None, str(checkpoints), C3DConfig()) is None
    assert checkpoint_to_resume("False", str(checkpoints), C3DConfig()) is None


def test_an_interrupted_run_is_not_begun_anew_unless_that_is_asked_for(checkpoints):
    (checkpoints / "all_results.json").unlink()
    with pytest.raises(
        ValueError, match=r"interrupted after checkpoint-20; set `resume_from_checkpoint` true to continue"
    ):
        checkpoint_to_resume(None, str(checkpoints), C3DConfig())
    assert checkpoint_to_resume("false", str(checkpoints), C3DConfig()) is None


@pytest.mark.parametrize("given", [None, "false"])
@pytest.mark.parametrize("status", [None, "finished"])
def test_a_finished_model_is_not_overwritten_unless_that_is_asked_for(checkpoints, given, status):
    (checkpoints / "model.safetensors").touch()
    if status is not None:
        RunRecord("finetune", status=status).save(checkpoints)
    with pytest.raises(ValueError, match=r"holds a finished model; .* set `overwrite_output_dir` to replace"):
        checkpoint_to_resume(given, str(checkpoints), C3DConfig())
    assert checkpoint_to_resume(given, str(checkpoints), C3DConfig(), overwrite_output_dir=True) is None
    assert checkpoint_to_resume("true", str(checkpoints), C3DConfig()).endswith("checkpoint-20")


def test_a_run_that_a_signal_ended_is_overwritten_on_request(checkpoints):
    (checkpoints / "all_results.json").unlink()
    RunRecord("finetune", status="interrupted").save(checkpoints)
    assert checkpoint_to_resume(None, str(checkpoints), C3DConfig()).endswith("checkpoint-20")
    assert checkpoint_to_resume(None, str(checkpoints), C3DConfig(), overwrite_output_dir=True) is None


def test_a_folder_beside_the_checkpoints_is_none_of_them(checkpoints):
    (checkpoints / "checkpoint-9-backup").mkdir()
    (checkpoints / "checkpoint-9-backup" / "trainer_state.json").write_text("{}")
    assert find_checkpoint("true", checkpoints).name == "checkpoint-20"


@pytest.mark.parametrize("path", ["no/checkpoint-7", "a/b/c/checkpoint-7", "checkpoint-7"])
def test_a_path_that_does_not_exist_is_not_looked_up_on_the_hub(tmp_path, path):
    with pytest.raises(ValueError, match="is not a whole checkpoint"):
        find_checkpoint(path, tmp_path)


def record(config, **videos):
    return RunRecord("finetune", config, inputs={part: Input(sha256, 3) for part, sha256 in videos.items()})


def test_a_run_is_not_resumed_on_other_videos():
    before = record({}, train="a" * 64, test="b" * 64)
    check_same_data(before, record({}, train="a" * 64, test="b" * 64))
    with pytest.raises(ValueError, match=r"3 videos for test, SHA-256 bbbbbbbb, but now .* cccccccc; resume with the"):
        check_same_data(before, record({}, train="a" * 64, test="c" * 64))
    with pytest.raises(ValueError, match="now the test part is missing"):
        check_same_data(before, record({}, train="a" * 64))


def test_parameters_that_a_resumed_run_changes_are_listed_with_both_values(caplog):
    before = record({"distill_weight": 0.1, "seed": 1, "output_dir": "a"})
    changes = changed_parameters(before, record({"distill_weight": 0.2, "seed": 1, "output_dir": "b"}), step=7)
    assert changes == [{"step": 7, "parameter": "distill_weight", "before": 0.1, "after": 0.2}]
    assert "`distill_weight`: it was 0.1, now it is 0.2" in caplog.text


def test_what_of_a_finished_run_is_overwritten_and_what_grows_stale_is_named(tmp_path, caplog):
    for name in ("all_results.json", "model.safetensors", "notes.txt"):
        (tmp_path / name).touch()
    RunRecord("finetune", results=[Result("knn", "w", {"protocol": "p"})]).save(tmp_path)
    module.warn_of_overwriting(tmp_path)
    overwritten, stale = caplog.messages
    assert overwritten.endswith("overwrites model.safetensors, all_results.json")
    assert stale == "These results are from the previous run and are now stale: knn"


def test_of_an_unfinished_run_nothing_is_said(tmp_path, caplog):
    (tmp_path / "model.safetensors").touch()
    module.warn_of_overwriting(tmp_path)
    assert not caplog.messages
