import pytest

from hf_selfdistill.training.checkpoints import checkpoint_to_resume
from hf_selfdistill.models import C3DConfig


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
        ValueError, match=r"interrupted after checkpoint-20; set --resume_from_checkpoint true to go on"
    ):
        checkpoint_to_resume(None, str(checkpoints), C3DConfig())
    assert checkpoint_to_resume("false", str(checkpoints), C3DConfig()) is None
