"""What users really feed a program: each bad file is named with its reason, and the run goes on without it."""

from __future__ import annotations

import csv
import json
import math
import wave

import pytest
from videos import numbered_frames, write_video

from hf_selfdistill.cli import evaluate, finetune


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A CSV data set in which two classes have four good videos, odd ones, and bad ones, in train and in test."""
    root = tmp_path_factory.mktemp("mixed")
    numbers = iter(range(0, 200, 13))  # no two videos are alike
    for folder in (root, root / "test"):
        folder.mkdir(exist_ok=True)
        good = {f"good{i}.mp4": {} for i in range(4)} | {"eine Möwe 飛.avi": {"codec": "mpeg4"}, "one frame.mp4": {}}
        for name, settings in good.items():
            start = next(numbers)
            write_video(
                folder / name, numbered_frames(start + 12)[start : start + (12 if name[0] != "o" else 1)], **settings
            )
        write_video(folder / "odd.mp4", numbered_frames(12 + (folder == root), 33, 47), pix_fmt="yuv444p")
        (folder / "empty.mp4").touch()
        whole = (folder / "good0.mp4").read_bytes()
        (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
        (folder / "text.mp4").write_text(f"these are my notes on {folder}\n")
        with wave.open(str(folder / "sound.wav"), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(int(128 + 100 * math.sin(i / len(folder.name))) for i in range(8000)))
    good = [*good, "odd.mp4"]
    bad = ["empty.mp4", "truncated.mp4", "text.mp4", "sound.wav"]
    with (root / "list.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["video", "label", "group", "split"])
        for split in ("train", "test"):
            for i, name in enumerate(good + bad):
                # Groups keep the two splits apart, as a list must.
                writer.writerow([name if split == "train" else f"test/{name}", "ab"[i % 2], f"{split}{i}", split])
        writer.writerow(["missing.mp4", "a", "trainX", "train"])
        writer.writerow(["test/missing.mp4", "a", "testX", "test"])
    return root, [*bad, "missing.mp4"]


@pytest.fixture(scope="module")
def trained(mixed, tiny_flags, tmp_path_factory):
    root, _ = mixed
    folder = tmp_path_factory.mktemp("trained")
    settings = {"dataset": "csv", "annotations": root / "list.csv", "validation_fraction": 0, "max_unreadable": 0.5}
    finetune.main(tiny_flags(root, folder, **settings))
    return folder


def check(failures, bad):
    assert sorted(failure["video"] for failure in failures) == sorted(bad)
    for failure in failures:
        assert failure["reason"] and "\n" not in failure["reason"] and "Errno" not in failure["reason"]


def test_training_goes_on_without_bad_files_and_lists_them(trained, mixed):
    _, bad = mixed
    check(json.loads((trained / "all_results.json").read_text())["unreadable"], bad)


def test_evaluation_goes_on_without_bad_files_and_lists_them(trained, mixed, tmp_path):
    root, bad = mixed
    words = ["--dataset", "csv", "--annotations", root / "list.csv", "--max_unreadable", 0.5, "--num_clips", 2]
    output = ["--output_file", tmp_path / "e.json", "--output_dir", tmp_path, "--use_cpu", True]
    evaluate.main([str(w) for w in ["--model_name_or_path", trained, "--dataset_root", root, *words, *output]])
    results = json.loads((tmp_path / "e.json").read_text())
    check(results["failed"], [f"test/{name}" for name in bad])
    assert results["num_videos"] == 7
    written = [tmp_path / "e.json", trained / "all_results.json", trained / "README.md"]
    assert not any(str(root.parent) in file.read_text(encoding="utf-8") for file in written)  # no path of the machine


def test_too_many_bad_files_end_the_run_in_one_line(mixed, tiny_flags, tmp_path):
    root, _ = mixed
    settings = {"dataset": "csv", "annotations": root / "list.csv", "validation_fraction": 0, "max_unreadable": 0.2}
    with pytest.raises(SystemExit, match=r"error: .*of 12 videos can't be read, more than --max_unreadable 0\.2"):
        finetune.main(tiny_flags(root, tmp_path, **settings))


def test_a_script_shows_no_traceback_for_a_users_mistake(run_script, tmp_path):
    done = run_script(
        "finetune", "--model_name_or_path", "c3d", "--dataset", "folder", "--dataset_root", tmp_path / "nowhere"
    )
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert error == f"error: --dataset_root {tmp_path / 'nowhere'} is not a folder; give the folder of the videos"
    assert "Traceback" not in done.stderr
