import csv
import json

import pytest

from hf_selfdistill.commands.reproduction import Row
from hf_selfdistill.commands.reproduction_results import write_results

TOP1 = {"last": 0.70, "validation": 0.72, "test": 0.74}
EPOCH = {"validation": 3.0, "test": 5.0}


@pytest.fixture
def folders(tmp_path, done_record):
    """Two finished rows: C3D on UCF101 without self-distillation and, five points better, with the paper's λ."""
    rows = {}
    for weight, gain in ((0.0, 0.0), (1.0, 0.05)):
        row = Row("c3d", "ucf101", weight, split=1, seed=0)
        run = tmp_path / row.name
        for choice, top1 in TOP1.items():
            folder = run if choice == "last" else run / f"best-on-{choice}"
            folder.mkdir(parents=True, exist_ok=True)
            measured = {"video_top1": top1 + gain, "video_top5": 0.9, "clip_top1": 0.6, "clip_top5": 0.8}
            write(folder / "evaluation.json", {**measured, "num_videos": 9, "protocol": "ten clips"})
            if choice != "last":
                write(folder / "chosen.json", {"epoch": EPOCH[choice]})
        write(run / "done.json", done_record(60.0))
        rows[row] = run
    return rows


def write(file, content):
    file.write_text(json.dumps(content))


def test_each_run_has_a_line_for_each_choice_of_the_epoch(folders, tmp_path):
    write_results(tmp_path, folders, smoke=False)
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [(row["distill_weight"], row["choice"], row["epoch"]) for row in rows] == [
        (weight, choice, str(EPOCH.get(choice, "last"))) for weight in ("0.0", "1.0") for choice in TOP1
    ]
    assert {row["wall_seconds"] for row in rows} == {"60.0"} and rows[1]["folder"].endswith("best-on-validation")


def test_the_tables_show_what_was_measured_beside_the_paper(folders, tmp_path):
    table = write_results(tmp_path, folders, smoke=False)
    assert table in (tmp_path / "table1.md").read_text()
    for file in ("table1.md", "table2.md"):
        text = (tmp_path / file).read_text()
        assert "| paper |" in text and "smoke run" not in text
        assert all(f"{100 * top1:.1f}" in text for top1 in TOP1.values())


def test_tables_of_a_smoke_run_say_so(folders, tmp_path):
    write_results(tmp_path, folders, smoke=True)
    assert all("**A smoke run**" in (tmp_path / f"table{number}.md").read_text() for number in (1, 2))
