from __future__ import annotations

import json
import logging
import re
import subprocess
from pathlib import Path

import pytest
from records import classified, fine_tuning, knn, save_model

from hf_selfdistill.training import record as module
from hf_selfdistill.training.record import RECORD, RunRecord, hash_of_model, kept_warnings, software, together


def test_a_record_comes_back_equal_with_its_types(tmp_path):
    record = fine_tuning(results=[classified(), knn()], changes=[{"step": 1}], card={"license": "mit"})
    record.save(tmp_path / "new folder")
    assert RunRecord.load(tmp_path / "new folder") == record
    assert "λ" in (tmp_path / "new folder" / RECORD).read_text(encoding="utf-8")


def test_a_folder_without_a_record_gives_none(tmp_path):
    assert RunRecord.load(tmp_path) is None and RunRecord.load(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.clear(),
        lambda fields: fields.update(wall_seconds="long"),
        lambda fields: fields.update(task="dancing"),
        lambda fields: fields.update(unknown=1),
        lambda fields: fields.update(inputs={"train": 3}),
        lambda fields: fields["results"][0].pop("weights"),
        lambda fields: fields["results"][0].update(values=[]),
    ],
)
def test_a_damaged_record_is_one_line_with_the_cure(tmp_path, change):
    fine_tuning(results=[classified()]).save(tmp_path)
    fields = json.loads((tmp_path / RECORD).read_text())
    change(fields)
    (tmp_path / RECORD).write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=rf"{re.escape(str(tmp_path / RECORD))} is damaged \(.+\); move it") as raised:
        RunRecord.load(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_what_is_not_a_record_is_damaged(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(ValueError, match="is damaged"):
        RunRecord.load(tmp_path)


def test_a_write_that_fails_leaves_the_old_record(tmp_path, monkeypatch):
    old = fine_tuning()
    old.save(tmp_path)

    def refuse(self, content):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match="No space"):
        fine_tuning(wall_seconds=1.0).save(tmp_path)
    assert RunRecord.load(tmp_path) == old and [file.name for file in tmp_path.iterdir()] == [RECORD]


def test_a_result_replaces_the_one_of_the_same_task_and_protocol():
    record = fine_tuning()
    for result in (knn(top1=0.25), knn(protocol="other videos"), classified(), knn(top1=0.75)):
        record.add(result)
    assert [(result.task, result.protocol) for result in record.results] == [
        ("knn", "other videos"),
        ("classification", "ucf101 split 2 test, 10 clips"),
        ("knn", "ucf101 test against 12 videos"),
    ]
    assert record.latest("knn")["knn_top1"] == 0.75


def test_results_of_other_weights_are_neither_current_nor_latest():
    record = fine_tuning(results=[knn(top1=0.25), classified("before"), knn("before", "other videos", 1.0)])
    assert [result.task for result in record.current()] == ["knn"] and record.current("classification") == []
    assert record.latest("knn")["knn_top1"] == 0.25 and record.latest("classification") is None


def test_a_task_is_stale_until_it_is_measured_on_the_saved_weights():
    record = fine_tuning(results=[classified("before"), knn("before")])
    assert record.stale() == ["classification", "knn"]
    record.add(knn(protocol="other videos"))
    assert record.stale() == ["classification"]


def test_metrics_belong_to_the_weights_that_the_training_saved():
    record = fine_tuning(results=[knn("other")])
    assert record.of_weights("saved") == record
    other = record.of_weights("other")
    assert (other.weights, other.metrics) == ("other", {}) and other.latest("knn") is not None
    assert record.metrics and record.weights == "saved"


def test_the_hash_of_a_model_is_that_of_its_weights_and_configuration(tmp_path):
    first = save_model(tmp_path)
    (tmp_path / "README.md").write_text("a card")
    assert hash_of_model(tmp_path) == first
    assert save_model(tmp_path) != first  # other random weights
    config = tmp_path / "config.json"
    before = hash_of_model(tmp_path)
    config.write_text(config.read_text() + " ")
    assert hash_of_model(tmp_path) != before


def test_what_is_not_a_folder_with_weights_has_no_hash(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert hash_of_model("user/model") is None and hash_of_model(tmp_path) is None


def test_one_hash_of_several_depends_on_their_order():
    assert together(["a", "b"]) != together(["b", "a"]) and len(together([])) == 64


def test_a_checkout_is_named_by_its_commit_and_whether_it_was_changed(tmp_path, monkeypatch):
    file = tmp_path / "record.py"
    file.write_text("")
    commit = ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "one"]
    for words in (["init", "-q"], ["add", "record.py"], commit):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(module, "__file__", str(file))
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True).stdout.strip()
    assert software()["commit"] == head
    file.write_text("changed")
    assert software()["commit"] == f"{head}-dirty"


def test_an_installed_package_has_a_version_and_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "__file__", str(tmp_path / "record.py"))
    assert "commit" not in software() and {"hf_selfdistill", "torch", "transformers", "decoder"} <= software().keys()


def test_warnings_of_this_package_within_the_block_are_kept():
    ours, messages = logging.getLogger("hf_selfdistill.somewhere"), []
    with kept_warnings(messages):
        ours.warning("a %s", "warning")
        ours.info("no warning")
        logging.getLogger("another").warning("another package's")
    ours.warning("too late")
    assert messages == ["a warning"]
