from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from hf_selfdistill.training.uploads import CardCallback, UploadWarningCallback


@pytest.fixture
def upload():
    return Future()


@pytest.fixture
def callback(upload):
    return UploadWarningCallback(SimpleNamespace(push_in_progress=SimpleNamespace(jobs=[upload])))


def save(callback):
    callback.on_save(args=None, state=None, control=None)


def test_an_upload_that_fails_is_said_once_in_one_line(callback, upload, caplog):
    save(callback)
    save(callback)  # it is still under way at the next one
    assert not caplog.messages
    upload.set_exception(RuntimeError("503\nService Unavailable"))
    (line,) = caplog.messages
    assert "training continues" in line and line.endswith("503 Service Unavailable")


def test_an_upload_that_succeeds_is_not_mentioned(callback, upload, caplog):
    save(callback)
    upload.set_result(None)
    assert not caplog.messages


def test_before_the_first_upload_there_is_nothing_to_watch(caplog):
    save(UploadWarningCallback(SimpleNamespace(push_in_progress=None)))
    assert not caplog.messages


def test_record_and_card_are_written_before_each_upload():
    written = []
    CardCallback(lambda: written.append("both")).on_push_begin(args=None, state=None, control=None)
    assert written == ["both"]
