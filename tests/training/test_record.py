import subprocess

import pytest

from hf_selfdistill.training import record as module
from hf_selfdistill.training.record import Input, Result, RunRecord, hash_of_model, software


@pytest.fixture
def record():
    return RunRecord(
        "finetune",
        {"learning_rate": 0.1},
        inputs={"train": Input("a" * 64, 3), "encoder": Input("b" * 64)},
        results=[Result("knn", "w", {"protocol": "p", "knn_top1": 0.3})],
        weights="w",
    )


def test_a_record_is_read_as_it_was_written(record, tmp_path):
    assert RunRecord.load(tmp_path) is None
    record.save(tmp_path)
    assert RunRecord.load(tmp_path) == record


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"task": "finetune", "inputs": {}, "results": [], "model": 3}'])
def test_a_damaged_record_is_named_in_one_line(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run\.json is damaged .* move it away, or run the command again") as raised:
        RunRecord.load(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_result_takes_the_place_of_one_of_the_same_task_and_protocol(record):
    record.add(Result("knn", "w", {"protocol": "p", "knn_top1": 0.4}))
    record.add(Result("knn", "w", {"protocol": "q", "knn_top1": 0.5}))
    assert [result.values["knn_top1"] for result in record.current("knn")] == [0.4, 0.5]
    assert record.latest("knn")["knn_top1"] == 0.5 and record.latest("retrieval") is None


def test_results_of_other_weights_are_stale(record):
    assert record.stale() == []
    record.weights = "v"
    assert record.current() == [] and record.stale() == ["knn"]
    record.add(Result("knn", "v", {"protocol": "p"}))
    assert record.stale() == []


def test_a_model_is_known_by_its_configuration_and_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert hash_of_model(tmp_path) is None
    (tmp_path / "model.safetensors").write_bytes(b"1")
    one = hash_of_model(tmp_path)
    (tmp_path / "notes.txt").write_text("not the model")
    assert hash_of_model(tmp_path) == one
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert hash_of_model(tmp_path) != one


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
