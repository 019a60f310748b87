"""The cards that the commands write, read as people and as the Hub read them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil

import pytest
from huggingface_hub import ModelCard

from hf_selfdistill.cli import evaluate as command
from hf_selfdistill.cli import finetune
from hf_selfdistill.training.card import CURVES, KEPT


@pytest.fixture
def model(fine_tuned, tmp_path):
    return shutil.copytree(fine_tuned, tmp_path / "model")


def sections(card):
    return dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", card.text, re.M | re.S))


def evaluate(model, shapes, **overrides):
    flags = {
        "model_name_or_path": model,
        "dataset": "moving_shapes",
        "dataset_root": shapes,
        "num_clips": 2,
        "output_file": model / "evaluation.json",
        "output_dir": model,
        "use_cpu": True,
        "disable_tqdm": True,
        **overrides,
    }
    command.main([word for name, value in flags.items() for word in (f"--{name}", str(value))])
    return json.loads((model / "evaluation.json").read_text())


def test_a_card_has_all_its_parts(model):
    card = ModelCard.load(model / "README.md")
    parts = sections(card)
    assert list(parts) == [
        "How to use it", "Training data", "Training", "Results", "Limitations", "Licence", "Citation",
    ]  # fmt: skip
    assert "Classes: moving_left, moving_right, moving_up." in card.text
    assert "| λ | 0 |" in parts["Training"] and "| learning rate | 0.05 |" in parts["Training"]  # random weights
    assert "zhou2022preserve" in parts["Citation"] and "3D Convolutional Networks" in parts["Citation"]
    assert "None" not in card.text and "{{" not in card.text


def test_its_code_classifies_a_clip(model, shapes, monkeypatch, capsys):
    code = re.search(r"```python\n(.*?)```", (model / "README.md").read_text(), re.S)[1]
    code = code.replace(re.search(r'model="(.+?)"', code)[1], "model")  # the copy is named otherwise
    shutil.copy(next(shapes.glob("*/*.mp4")), model.parent / "clip.mp4")
    monkeypatch.chdir(model.parent)
    exec(compile(code, "README.md", "exec"), {})
    assert {"moving_left", "moving_right", "moving_up"} == set(re.findall(r"moving_\w+", capsys.readouterr().out))


def test_the_split_can_be_checked_by_its_hash(model, shapes):
    rows = [line.split(",") for line in (shapes / "moving_shapes.csv").read_text().splitlines()]
    head = rows[0]
    lines = sorted(
        f"{row[head.index('video')]}\t{row[head.index('label')]}"
        for row in rows[1:]
        if row[head.index("split")] == "test"
    )
    expected = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert f"| test | 6 | `{expected}` |" in sections(ModelCard.load(model / "README.md"))["Training data"]


def test_its_validation_figures_are_those_of_the_run(model):
    results = json.loads((model / "all_results.json").read_text())
    card = ModelCard.load(model / "README.md")
    row = next(line for line in card.text.splitlines() if "validation, 1 clip of 8 frames" in line)
    assert row.endswith(f"| 3 | {results['eval_video_top1']:.3f} | {results['eval_clip_top1']:.3f} |")
    (top1,) = card.data.eval_results
    assert (top1.metric_name, top1.dataset_split) == ("video top-1", "validation")
    assert top1.metric_value == round(results["eval_video_top1"], 4)


def test_a_test_adds_its_figures_once_and_keeps_the_rest(model, shapes):
    before = ModelCard.load(model / "README.md")
    evaluate(model, shapes)
    results = evaluate(model, shapes)
    after = ModelCard.load(model / "README.md")
    rows = [line for line in after.text.splitlines() if results["protocol"] in line]
    assert len(rows) == 1 and f"| 6 | {results['video_top1']:.3f} |" in rows[0]
    assert [entry.dataset_split for entry in after.data.eval_results] == ["validation", "test"]
    assert after.data.eval_results[:1] == before.data.eval_results
    assert sections(after)["Training"] == sections(before)["Training"] and "top-5" not in after.text


def test_the_baseline_stands_beside_only_where_it_is_given(model, shapes, tmp_path):
    results = evaluate(model, shapes)
    assert "λ = 0" not in sections(ModelCard.load(model / "README.md"))["Results"]
    (tmp_path / "baseline.json").write_text(json.dumps({**results, "video_top1": 0.125}))
    evaluate(model, shapes, baseline_file=tmp_path / "baseline.json")
    card = ModelCard.load(model / "README.md")
    assert f"{results['protocol']} — the same with λ = 0 | 6 | 0.125 |" in card.text
    assert 0.125 not in [entry.metric_value for entry in card.data.eval_results]


def test_a_card_written_anew_leads_to_the_report_that_lies_beside_it(shapes, tiny_flags, tmp_path):
    flags = tiny_flags(shapes, tmp_path, num_train_epochs=1, distill_weight=0)
    finetune.main(flags)
    assert "report.html" not in (tmp_path / "README.md").read_text()
    (tmp_path / "report.html").write_text("of the run before")
    finetune.main([*flags, "--overwrite_output_dir"])
    assert (tmp_path / "README.md").read_text().count("[report.html](report.html)") == 1


def test_a_wrong_baseline_is_one_line(model, shapes, tmp_path):
    (tmp_path / "baseline.json").write_text("[]")
    with pytest.raises(SystemExit, match=r"--baseline_file .*baseline\.json is not a file of results"):
        evaluate(model, shapes, baseline_file=tmp_path / "baseline.json")


def test_text_below_the_line_stays_and_the_rest_is_rendered_again(model, shapes):
    file = model / "README.md"
    file.write_text(file.read_text().replace("Classes: moving_left", "My classes: moving_left") + "my own words\n")
    evaluate(model, shapes)
    text = file.read_text()
    assert text.endswith(f"{KEPT}\nmy own words\n") and "My classes" not in text and text.count(KEPT) == 1


def test_a_run_without_validation_claims_nothing(shapes, tiny_flags, tmp_path):
    settings = {"validation_fraction": 0, "num_train_epochs": 1, "distill_weight": 0, "dataset": "csv"}
    flags = tiny_flags(shapes, tmp_path / "model", **settings, annotations=_without_validation(shapes, tmp_path))
    finetune.main(flags)
    card = ModelCard.load(tmp_path / "model" / "README.md")
    assert "Nothing has been measured yet." in sections(card)["Results"] and card.data.eval_results is None
    assert "λ = 0: without self-distillation" in card.text and "teacher" not in card.text


def _without_validation(shapes, folder):
    rows = (shapes / "moving_shapes.csv").read_text().splitlines()
    (folder / "list.csv").write_text("\n".join(row for row in rows if ",validation" not in row))
    return folder / "list.csv"


def test_the_curves_lie_beside_the_card(model):
    assert f"![Training curves]({CURVES})" in (model / "README.md").read_text()
    assert (model / CURVES).read_bytes()[1:4] == b"PNG"
