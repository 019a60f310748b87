import weakref
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub.errors import HTTPError
from transformers import TrainingArguments

from hf_selfdistill.commands.training import _end, _push, check_whole_batch, warn_of_overwriting
from hf_selfdistill.models import C3DConfig, C3DForVideoClassification
from hf_selfdistill.training.arguments import VideoTrainingArguments
from hf_selfdistill.training.trainer import VideoTrainer


def arguments(folder, **settings):
    return TrainingArguments(str(folder), per_device_train_batch_size=4, use_cpu=True, report_to="none", **settings)


def test_as_many_videos_as_a_batch_are_enough(tmp_path):
    check_whole_batch(4, arguments(tmp_path, dataloader_drop_last=True))


def test_fewer_are_refused_where_they_would_be_dropped_and_only_there(tmp_path):
    check_whole_batch(3, arguments(tmp_path))
    with pytest.raises(
        ValueError, match=r"3 training videos do not fill one batch of 4.*--dataloader_drop_last false"
    ):
        check_whole_batch(3, arguments(tmp_path, dataloader_drop_last=True))


@pytest.fixture
def finished_run(tmp_path):
    for name in ("all_results.json", "model.safetensors", "evaluation.json", "notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


def test_what_of_a_finished_run_is_overwritten_and_what_grows_stale_is_named(finished_run, caplog):
    warn_of_overwriting(arguments(finished_run))
    overwritten, stale = caplog.messages
    assert overwritten.endswith("overwrites model.safetensors, all_results.json")
    assert stale.endswith("until it is measured anew: evaluation.json")


def test_of_an_unfinished_or_a_resumed_run_nothing_is_said(finished_run, tmp_path, caplog):
    warn_of_overwriting(arguments(finished_run, resume_from_checkpoint="true"))
    (finished_run / "all_results.json").unlink()
    warn_of_overwriting(arguments(finished_run))
    assert not caplog.messages


def test_an_upload_that_fails_is_a_users_error_that_says_how_to_go_on(tmp_path):
    def refuse():
        raise HTTPError("503 Service Unavailable")

    args = arguments(tmp_path / "out", hub_model_id="user/model")
    with pytest.raises(ValueError, match=r"503 Service Unavailable.*hf upload user/model .*out --exclude"):
        _push(SimpleNamespace(push_to_hub=refuse, args=args))


def test_at_the_end_nothing_keeps_what_the_model_was_wrapped_in(tmp_path):
    config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=2)
    args = VideoTrainingArguments(str(tmp_path), use_cpu=True, report_to="none")
    trainer = VideoTrainer(C3DForVideoClassification(config), args)
    wrapper = torch.nn.Sequential(trainer.model)
    wrapper.knows_itself = [wrapper]
    trainer.model_wrapped = wrapper
    gone = weakref.ref(wrapper)
    del wrapper
    _end(trainer)
    assert gone() is None and trainer.model is not None
