from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from transformers import AutoModelForVideoClassification
from videos import write_video

from hf_selfdistill.cli import evaluate
from hf_selfdistill.runs.relearning import describe_relearning


@pytest.fixture(scope="module")
def shades(tmp_path_factory):
    """Dark, grey and bright videos, which any encoder tells apart; 18 to learn from, 6 for the test."""
    root = tmp_path_factory.mktemp("shades")
    for number in range(24):
        name, level = (("dark", 20), ("grey", 128), ("bright", 235))[number % 3]
        folder = root / ("test" if number < 6 else "train") / name
        folder.mkdir(parents=True, exist_ok=True)
        frames = np.random.default_rng(number).integers(level - 15, level + 15, (12, 32, 32, 3), dtype=np.uint8)
        write_video(folder / f"{number}.mp4", frames)
    return root


def measure(encoder, after, root, file, **overrides):
    flags = {"task": "relearning", "before": encoder, "model_name_or_path": after, "dataset": "folder"}
    flags |= {"dataset_root": root, "num_clips": 2, "output_file": file, "output_dir": file.parent / "out"}
    flags |= {"use_cpu": True, "disable_tqdm": True, "num_train_epochs": 3, **overrides}
    given = {name: value for name, value in flags.items() if value is not None}
    evaluate.main([word for name, value in given.items() for word in (f"--{name}", str(value))])
    return json.loads(file.read_text())


def test_an_encoder_that_was_not_touched_learns_as_fast_as_itself(fine_tuned, shades, tmp_path, caplog):
    report = measure(fine_tuned, fine_tuned, shades, tmp_path / "relearning.json")
    found = report["relearning"]
    assert found["after"] == found["before"] and found.keys() == {"after", "before", "random"}
    for learnt in found.values():
        *tried, last = learnt["video_top1"]
        assert all(accuracy < report["target"] for accuracy in tried)
        reached = last >= report["target"]
        assert (learnt["epochs"] == len(tried) + 1) if reached else (learnt["epochs"] is None and len(tried) == 2)
    assert "2 clips of 8 frames" in report["protocol"] and report["num_videos"] == 6


def test_the_target_is_what_cannot_be_told_from_the_linear_probe_of_the_encoder_before(fine_tuned, shades, tmp_path):
    report = measure(fine_tuned, fine_tuned, shades, tmp_path / "relearning.json", num_train_epochs=1)
    probe = measure(None, fine_tuned, shades, tmp_path / "probe.json", task="linear_probe")
    assert report["linear_probe_before"]["value"] == probe["linear_probe_top1"]
    assert report["target"] == report["linear_probe_before"]["low"] <= probe["linear_probe_top1"]


def test_the_encoders_differ_and_none_of_them_is_changed(fine_tuned, shades, tmp_path):
    model = AutoModelForVideoClassification.from_pretrained(fine_tuned)
    model.encoder.stages[0].layers[0].conv.weight.data.mul_(3)
    shutil.copytree(fine_tuned, tmp_path / "moved")
    model.save_pretrained(tmp_path / "moved")
    weights = (fine_tuned / "model.safetensors").read_bytes()
    report = measure(fine_tuned, tmp_path / "moved", shades, tmp_path / "relearning.json", num_train_epochs=1)
    assert len(report["relearning"]) == 3 and (fine_tuned / "model.safetensors").read_bytes() == weights


def test_what_was_never_known_is_not_to_be_relearnt(fine_tuned, shapes, tmp_path):
    with pytest.raises(SystemExit, match=r"not better than chance, 0\.3333, with its interval: there is nothing"):
        measure(fine_tuned, fine_tuned, shapes, tmp_path / "relearning.json", dataset="moving_shapes")


def test_words_say_what_was_not_reached():
    reached = {"epochs": 2, "steps": 18, "video_top1": [0.5, 0.9]}
    never = {"epochs": None, "steps": None, "video_top1": [0.2, 0.3]}
    found = {"after": reached, "before": reached, "random": never}
    about = {
        "target": 0.8,
        "linear_probe_before": {"value": 0.9},
        "chance": 0.25,
        "most_epochs": 2,
        "protocol": "here",
    }
    said = describe_relearning({**about, "relearning": found})
    assert "the fine-tuned encoder in 2 epochs, 18 steps" in said and "random weights not within 2 epochs" in said


@pytest.mark.slow
def test_it_runs_on_two_processes(fine_tuned, shades, tmp_path, run_script):
    words = f"--task relearning --before {fine_tuned} --model_name_or_path {fine_tuned} --dataset folder"
    words += f" --dataset_root {shades} --num_clips 1 --use_cpu --output_file {tmp_path / 'two.json'}"
    words += f" --num_train_epochs 2 --per_device_train_batch_size 4 --output_dir {tmp_path / 'out'}"
    finished = run_script("evaluate_model", *words.split(), processes=2)
    assert finished.returncode == 0, finished.stderr
    found = json.loads((tmp_path / "two.json").read_text())["relearning"]
    assert found["after"] == found["before"]
