"""README's ten lines of Python, on generated videos and a tiny VideoMAE."""

from __future__ import annotations

import ast
import json
import re

import pytest
from guides import ROOT, blocks
from tiny_classifiers import save_checkpoint, tiny_model, tiny_processor

from hf_selfdistill.cli import evaluate, predict
from hf_selfdistill.data.moving_shapes import write_moving_shapes
from hf_selfdistill.training.record import RunRecord, hash_of_model

(TEN_LINES,) = (block for block in blocks(ROOT / "README.md") if "load_video_dataset" in block.code)


def test_readmes_example_is_ten_lines_with_one_import_of_ours():
    lines = [line for line in TEN_LINES.code.splitlines() if line.strip()]
    assert len(lines) == 10 and sum(line.startswith(("import", "from")) for line in lines) == 1


def test_readmes_example_leaves_a_run_that_the_commands_take(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_moving_shapes(tmp_path / "written", ("moving_left", "moving_up"), 6, num_frames=10, size=24)
    (tmp_path / "videos").mkdir()
    for folder in ("moving_left", "moving_up"):
        (tmp_path / "written" / folder).rename(tmp_path / "videos" / folder)
    save_checkpoint(tiny_model("videomae"), tiny_processor("videomae"), tmp_path / "MCG-NJU" / "videomae-base")
    quick = r'\1"OUT", use_cpu=True, disable_tqdm=True, num_train_epochs=1, report_to="none"'
    exec(compile(re.sub(r'(SelfDistillationArguments\()"OUT"', quick, TEN_LINES.code), "README", "exec"), {})
    names = {"0": "moving_left", "1": "moving_up"}
    assert json.loads((tmp_path / "OUT" / "config.json").read_text())["id2label"] == names
    record = RunRecord.load("OUT")
    assert record.status == "finished" and record.weights == hash_of_model("OUT")
    assert "to classify videos into 2 classes" in (tmp_path / "OUT" / "README.md").read_text()
    printed = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])
    flags = "--model_name_or_path OUT --dataset folder --dataset_root videos --num_clips 10 --use_cpu"
    evaluate.main([*flags.split(), "--disable_tqdm", "true", "--output_file", "evaluation.json"])
    assert json.loads((tmp_path / "evaluation.json").read_text()) == printed
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        predict.main(["--model_name_or_path", "OUT", *map(str, sorted((tmp_path / "videos").rglob("*.*"))[:1])])
    assert not ended.value.code and "moving_left" in capsys.readouterr().out
