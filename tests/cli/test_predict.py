import io
import json

import pytest
import torch
from processes import run_without_reader
from transformers import pipeline

from hf_selfdistill.cli import predict
from hf_selfdistill.runs.configs import PredictConfig
from hf_selfdistill.runs.predict import predict as predictions_of


def run(capsys, *words):
    with pytest.raises(SystemExit) as stopped:
        predict.main([str(word) for word in words])
    return stopped.value.code, capsys.readouterr()


def test_it_prints_the_likeliest_classes_of_each_file(fine_tuned, shapes, capsys):
    videos = sorted(shapes.glob("*/*.avi"))[:2]
    code, printed = run(capsys, "--model_name_or_path", fine_tuned, *videos, "--top_k", 2)
    lines = printed.out.splitlines()
    assert code == 0 and len(lines) == 6
    assert lines[0] == str(videos[0]) and lines[3] == str(videos[1])
    assert lines[1].split()[1] in ("moving_left", "moving_right", "moving_up")


def test_one_clip_gives_the_scores_of_the_pipeline(fine_tuned, shapes, capsys):
    video = str(next(shapes.glob("*/*.avi")))
    _, printed = run(capsys, "--model_name_or_path", fine_tuned, video, "--num_clips", 1)
    mine = {row.split()[1]: row.split()[0] for row in printed.out.splitlines()[1:]}
    theirs = {row["label"]: f"{row['score']:.1%}" for row in pipeline("video-classification", str(fine_tuned))(video)}
    assert mine == theirs


def test_a_bad_file_is_named_and_the_others_are_classified(fine_tuned, shapes, tmp_path, capsys):
    bad = tmp_path / "notes.mp4"
    bad.write_text("not a video")
    code, printed = run(capsys, "--model_name_or_path", fine_tuned, bad, next(shapes.glob("*/*.avi")))
    assert code == 1
    assert printed.err.strip().splitlines()[-1].startswith(f"error: {bad}: ")
    assert len(printed.out.splitlines()) == 4


@pytest.mark.parametrize("wrong", [["--top_k", "0"], ["--num_clips", "0"], ["--batch_size", "-1"]])
def test_a_wrong_number_is_one_line(fine_tuned, wrong, capsys):
    code, printed = run(capsys, "--model_name_or_path", fine_tuned, "x.mp4", *wrong)
    assert code == 2 and f"error: {wrong[0]} is {wrong[1]}; it must be positive" in printed.err


def test_probabilities_sum_to_one(fine_tuned, shapes):
    video = str(next(shapes.glob("*/*.mp4")))
    (prediction,) = predictions_of(PredictConfig(model_name_or_path=str(fine_tuned), videos=[video]))
    assert prediction.logits.shape == (10, 3)
    torch.testing.assert_close(prediction.scores.sum(), torch.tensor(1.0))


def test_folders_are_looked_through_and_the_size_of_a_batch_changes_nothing(fine_tuned, shapes, capsys):
    flags = ["--model_name_or_path", fine_tuned, "--num_clips", 2, "--format", "jsonl", shapes / "moving_up"]
    _, one = run(capsys, *flags, "--batch_size", 1)
    _, three = run(capsys, *flags, "--batch_size", 3, "--num_workers", 1)
    rows, same = (list(map(json.loads, printed.out.splitlines())) for printed in (one, three))
    assert [row["video"] for row in rows] == [str(file) for file in sorted((shapes / "moving_up").iterdir())]
    for row, other in zip(rows, same, strict=True):
        assert row["video"] == other["video"]
        for mine, its in zip(row["predictions"], other["predictions"], strict=True):
            assert mine["label"] == its["label"] and mine["score"] == pytest.approx(its["score"], abs=1e-5)


def test_progress_is_shown_on_a_terminal_alone(fine_tuned, shapes, capsys, monkeypatch):
    flags = ["--model_name_or_path", fine_tuned, "--num_clips", 1, "--top_k", 1, shapes]
    code, printed = run(capsys, *flags)
    assert code == 0 and len(printed.out.splitlines()) == 48 and printed.err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _, shown = run(capsys, *flags)
    assert "24/24" in shown.err and shown.out == printed.out


def test_paths_come_from_standard_input_too(fine_tuned, shapes, capsys, monkeypatch):
    videos = [str(video) for video in sorted(shapes.glob("*/*.avi"))[:2]]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(videos) + "\n"))
    code, printed = run(capsys, "--model_name_or_path", fine_tuned, "-", "--num_clips", 1, "--top_k", 1)
    assert code == 0 and printed.out.splitlines()[::2] == videos


@pytest.mark.slow
def test_a_reader_that_has_read_enough_ends_it_without_a_word(fine_tuned, shapes):
    assert run_without_reader("predict", "--model_name_or_path", fine_tuned, shapes) == (
        0,
        f"24 videos in {shapes}; left out: 1 of type .csv\n",
    )


def test_more_workers_than_cpus_are_lowered(capsys, caplog, tmp_path):
    run(capsys, "--model_name_or_path", tmp_path, tmp_path / "none.mp4", "--num_workers", 100000)
    assert caplog.text.count("--num_workers 100000 is lowered to ") == 1


def test_nothing_on_standard_input_is_one_line(fine_tuned, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, _ = run(capsys, "--model_name_or_path", fine_tuned, "-")
    assert code == "error: `names` is empty; give video files, or folders of videos"


def test_json_lines_name_bad_files_with_their_reason(fine_tuned, shapes, tmp_path, capsys):
    bad = tmp_path / "empty.mp4"
    bad.touch()
    good = next(shapes.glob("*/*.avi"))
    code, printed = run(
        capsys, "--model_name_or_path", fine_tuned, bad, good, tmp_path / "none.mp4", "--format", "jsonl"
    )
    rows = list(map(json.loads, printed.out.splitlines()))
    assert code == 1
    assert rows[0] == {"video": str(bad), "error": "it is empty"}
    assert rows[1]["video"] == str(good) and len(rows[1]["predictions"]) == 3
    assert "No such file" in rows[2]["error"]
    assert printed.err.splitlines()[-2:] == [f"error: {row['video']}: {row['error']}" for row in (rows[0], rows[2])]
