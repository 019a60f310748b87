"""A real run, tested, and the page on it."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from hf_selfdistill.cli import evaluate as command
from hf_selfdistill.cli import report
from hf_selfdistill.reporting import run_report
from hf_selfdistill.training.record import RunRecord


@pytest.fixture
def run(fine_tuned, tmp_path):
    folder = shutil.copytree(fine_tuned, tmp_path / "run")
    record = RunRecord.load(folder)
    record.results = []  # of tests before this one, which share the model
    record.save(folder)
    return folder


def evaluate(run, shapes, file, *words):
    flags = ["--model_name_or_path", run, "--dataset", "moving_shapes", "--dataset_root", shapes, "--num_clips", 2]
    flags += ["--output_file", run / file, "--output_dir", run, "--use_cpu", True, "--disable_tqdm", True]
    command.main([str(word) for word in (*flags, *words)])


def test_a_tested_run_has_a_page_that_its_card_leads_to(run, shapes):
    evaluate(run, shapes, "evaluation.json")
    evaluate(run, shapes, "retrieval.json", "--task", "retrieval")
    report.main(["--run", str(run)])
    page = (run / "report.html").read_text()
    assert json.loads((run / "evaluation.json").read_text())["protocol"] in page
    for part in ("Classes", "Retrieval", "Where the model looks", "How it was made"):
        assert f"<h2>{part}</h2>" in page
    assert ">seed</th><td>42</td>" in page and "query: moving_" in page
    assert "--task forgetting" in page and "Test results, confusions" not in page  # what is missing is named
    assert "(report.html)" in (run / "README.md").read_text()


def test_the_validation_figures_say_what_they_were_measured_on(run):
    report.main(["--run", str(run)])
    said = "moving_shapes validation, 1 clip of 8 frames, stride 1, centre crop, mean of logits"
    assert f'<th scope="row">{said}' in (run / "report.html").read_text()


def test_without_retrieval_no_progress_of_it_is_shown(run, capfd):
    report.main(["--run", str(run)])
    assert "retrieval examples" not in capfd.readouterr().err


def test_a_folder_without_a_record_is_one_line_that_says_what_to_do(run):
    (run / "run.json").unlink()
    with pytest.raises(
        SystemExit, match=r"has no run\.json: it is not a run, or an earlier version made it; fine-tune"
    ):
        report.main(["--run", str(run)])


def test_a_broken_record_is_one_line(run):
    (run / "run.json").write_text("{")
    with pytest.raises(SystemExit, match=r"error: .*run\.json is damaged"):
        report.main(["--run", str(run)])


def test_results_of_other_weights_are_not_shown_but_named(run, shapes):
    evaluate(run, shapes, "evaluation.json")
    weights = load_file(run / "model.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, run / "model.safetensors", {"format": "pt"})
    report.main(["--run", str(run)])
    page = (run / "report.html").read_text()
    assert "Measured on other weights, so not shown: classification" in page
    assert "<h2>Classes</h2>" not in page and "moving_shapes test" not in (run / "README.md").read_text()


def test_pictures_of_saliency_are_embedded_and_too_many_bytes_refused(run, tmp_path):
    shutil.copy(run / "training_curves.png", tmp_path / "left.png")
    report.main(["--run", str(run), "--saliency", str(tmp_path / "left.png")])
    assert 'alt="Saliency: left"' in (run / "report.html").read_text()
    (tmp_path / "big.png").write_bytes(bytes(3_000_000))
    with pytest.raises(SystemExit, match=r"3\.0 MB, and 2\.5 MB fit"):
        report.main(["--run", str(run), "--saliency", str(tmp_path / "big.png")])


def test_without_matplotlib_one_line_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr(run_report, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"hf_selfdistill\[report\]"):
        report.main(["--run", str(run)])
