from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from hf_selfdistill import C3DConfig, C3DModel
from hf_selfdistill.cli import reproduce
from hf_selfdistill.experiments import reproduction
from hf_selfdistill.experiments.experiment import Identities
from hf_selfdistill.models.loading import from_scratch
from hf_selfdistill.training.record import Result, RunRecord, hash_of_model

ROOT = Path(__file__).parents[2]
ALL = {
    "c3d-ucf101-w0-s1-r0",
    "c3d-ucf101-w100-s1-r0",
    "c3d-hmdb51-w0-s1-r0",
    "c3d-hmdb51-w0.1-s1-r0",
    "r2plus1d-ucf101-w0-s1-r0",
    "r2plus1d-ucf101-w100-s1-r0",
    "r2plus1d-hmdb51-w0-s1-r0",
    "r2plus1d-hmdb51-w1000-s1-r0",
}


class Launcher:
    """Stands for the processes: leaves behind what an experiment does, but for those that are to fail."""

    def __init__(self):
        self.ran, self.failing = [], set()

    def __call__(self, experiments, devices, *cluster):
        identities = Identities()
        todo = [experiment for experiment in experiments if experiment.remaining(identities)]
        self.ran.append(([experiment.folder.name for experiment in todo], devices))
        for experiment in todo:
            if experiment.folder.name not in self.failing:
                self._finish(experiment, identities)
        return [experiment for experiment in todo if experiment.folder.name in self.failing]

    def _finish(self, experiment, identities):
        own = identities(experiment.training)
        weights = {}
        for number, folder in enumerate(
            [experiment.folder, *(Path(t.model_name_or_path) for t in experiment.tests[1:])]
        ):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.json").write_text("{}")
            (folder / "model.safetensors").write_bytes(str(number).encode())
            weights[str(folder)] = hash_of_model(folder)
            RunRecord(
                "finetune", experiment.training.to_dict(), own, status="finished", weights=weights[str(folder)]
            ).save(folder)
            if number:
                (folder / "chosen.json").write_text(json.dumps({"epoch": number}))
        for number, test in enumerate(experiment.tests):
            values = {"video_top1": 0.5 + number / 10, "video_top5": 0.9, "clip_top1": 0.4, "clip_top5": 0.8}
            values |= {"num_videos": 18, "protocol": "as written here"}
            record = RunRecord.load(test.model_name_or_path)
            record.add(Result("classification", record.weights, values, identity=identities(test)))
            record.save(test.model_name_or_path)


@pytest.fixture
def queue(monkeypatch):
    stand_in = Launcher()
    monkeypatch.setattr(reproduction, "launch", stand_in)
    monkeypatch.chdir(ROOT)
    return stand_in


@pytest.fixture
def encoder(tmp_path):
    """A small C3D."""
    overrides = "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16"
    config, processor = from_scratch("c3d", overrides)
    assert isinstance(config, C3DConfig)
    C3DModel(config).save_pretrained(tmp_path / "encoder")
    processor.save_pretrained(tmp_path / "encoder")
    return str(tmp_path / "encoder")


def test_the_smoke_run_pre_trains_on_all_devices_then_fine_tunes_the_eight_rows_and_writes_both_tables(
    queue, tmp_path, capsys
):
    out = tmp_path / "out"
    reproduce.main(["--smoke", "--output_dir", str(out), "--devices", "a", "b"])
    (first, all_together), (second, each) = queue.ran
    assert (first, all_together) == (["c3d", "r2plus1d"], ["a,b"])
    assert set(second) == ALL and len(second) == 8 and each == ["a", "b"]
    assert "| c3d-ucf101-w100-s1-r0 | 48 train, 6 validation, 18 test | 4 |" in capsys.readouterr().out
    for number in (1, 2):
        table = (out / f"table{number}.md").read_text()
        assert "A smoke run" in table and "| here, last epoch | 50.0 | 90.0 | 50.0 | 90.0 |" in table
        assert "| here, best epoch on test (the released code's way) | 70.0 |" in table
    rows = list(csv.DictReader((out / "results.csv").open()))
    assert len(rows) == 8 * 3 and {row["choice"]: row["epoch"] for row in rows} == {
        "last": "last",
        "validation": "1",
        "test": "2",
    }
    assert {row["video_top1"] for row in rows if row["choice"] == "validation"} == {"0.6"}


def test_a_second_call_runs_nothing_twice(queue, tmp_path):
    words = ["--smoke", "--output_dir", str(tmp_path / "out")]
    reproduce.main(words)
    queue.ran.clear()
    reproduce.main(words)
    assert queue.ran == [([], ["0"]), ([], ["0"])]


def test_only_failed_jobs_are_retried(queue, tmp_path):
    words = ["--smoke", "--output_dir", str(tmp_path / "out")]
    queue.failing = {"r2plus1d", "c3d-ucf101-w100-s1-r0"}
    with pytest.raises(SystemExit, match=r"2 runs failed: r2plus1d, c3d-ucf101-w100-s1-r0; "):
        reproduce.main(words)
    assert set(queue.ran[1][0]) == {name for name in ALL if name.startswith("c3d")}  # the others have no encoder
    assert "| C3D | RSPNet* (λ = 0) | here, last epoch |" in (tmp_path / "out" / "table1.md").read_text()
    queue.failing, queue.ran = set(), []
    reproduce.main(words)
    assert queue.ran[0][0] == ["r2plus1d"]
    assert set(queue.ran[1][0]) == {name for name in ALL if name.startswith("r2plus1d")} | {"c3d-ucf101-w100-s1-r0"}


def test_a_given_encoder_some_rows_and_more_seeds_change_the_plan(queue, encoder, tmp_path, capsys):
    words = ["--smoke", "--output_dir", str(tmp_path / "out"), "--models", "c3d", "--c3d", encoder]
    reproduce.main([*words, "--distill_weights", "0", "1", "--seeds", "0", "1", "--plan"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| c3d-")]
    assert len(lines) == 2 * 2 * 2
    assert queue.ran == [] and not (tmp_path / "out" / "runs").exists()


def test_the_means_are_over_seeds(queue, encoder, tmp_path):
    words = ["--smoke", "--output_dir", str(tmp_path / "out"), "--models", "c3d", "--c3d", encoder]
    reproduce.main([*words, "--seeds", "0", "1"])
    assert "| here, last epoch | 50.0 ± 0.0 | 90.0 ± 0.0 |" in (tmp_path / "out" / "table1.md").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "no data set to fine-tune on; give --ucf101_root"),
        ("--ucf101_root nowhere --c3d x --r2plus1d y", "--ucf101_root nowhere is not a folder"),
        ("--ucf101_root {here}", "give --c3d ENCODER"),
        ("--ucf101_root {here} --kinetics_root nowhere", "--kinetics_root nowhere is not a folder"),
        ("--ucf101_root {here} --kinetics_root {here}", "no video"),
        ("--ucf101_root {here} --models r2plus1d --r2plus1d {encoder}", "--r2plus1d {encoder} is a c3d"),
        ("--ucf101_root {here} --models c3d --c3d {encoder}", "no classInd.txt in {here}"),
        ("--smoke --split=2", "--split is set for each run; remove it"),
        ("--ucf101_root {here} --models c3d --c3d {encoder} --learning_rat 1", "has no field learning_rat"),
        ("--smoke --config configs/ucf101_c3d.yaml", "--config is set for each run; remove it"),
        ("--smoke --models c3d r3d", "--models is 'r3d'; allowed are 'c3d', 'r2plus1d'"),
        ("--smoke --devices 0,1", "--devices has 0,1, but a recipe's batch is one GPU's"),
        ("--smoke --seeds", "seeds"),
    ],
)
def test_a_wrong_argument_is_one_line_before_any_job(queue, encoder, tmp_path, capsys, words, message):
    here = tmp_path / "here"
    here.mkdir()
    place = {"here": str(here), "encoder": encoder}
    with pytest.raises(SystemExit) as stopped:
        reproduce.main(["--output_dir", str(tmp_path / "out"), *words.format(**place).split()])
    said = stopped.value.code if isinstance(stopped.value.code, str) else capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if "Loading weights" not in line and line.strip()]
    assert message.format(**place) in line
    assert queue.ran == []


def test_the_command_outside_the_projects_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="run the command in the project's folder"):
        reproduce.main(["--smoke", "--output_dir", "out"])
