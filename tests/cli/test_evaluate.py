import json

import pytest

from hf_selfdistill.cli import evaluate


def flags(model, shapes, output_file, **overrides):
    values = {
        "model_name_or_path": model,
        "dataset": "moving_shapes",
        "dataset_root": shapes,
        "num_clips": 3,
        "output_file": output_file,
        "per_device_eval_batch_size": 4,
        "disable_tqdm": True,
        "use_cpu": True,
        **overrides,
    }
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


@pytest.fixture
def evaluation(fine_tuned, shapes, tmp_path):
    evaluate.main(flags(fine_tuned, shapes, tmp_path / "evaluation.json"))
    return json.loads((tmp_path / "evaluation.json").read_text())


def test_nothing_but_the_results_is_written(fine_tuned, shapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate.main(flags(fine_tuned, shapes, tmp_path / "out" / "evaluation.json"))
    assert [file.relative_to(tmp_path).as_posix() for file in sorted(tmp_path.rglob("*"))] == [
        "out",
        "out/evaluation.json",
    ]


def test_it_ends_with_the_command_that_writes_the_report(fine_tuned, shapes, tmp_path, caplog):
    with caplog.at_level("INFO", logger="hf_selfdistill"):
        evaluate.main(flags(fine_tuned, shapes, tmp_path / "evaluation.json"))
    assert caplog.messages[-1].endswith(f": hf-selfdistill report --run {fine_tuned}")


def test_results_have_the_documented_fields(evaluation):
    assert evaluation.keys() == {
        "video_top1",
        "video_top5",
        "clip_top1",
        "clip_top5",
        "num_videos",
        "num_classes",
        "protocol",
        "per_class",
        "predictions",
        "failed",
    }
    assert (evaluation["num_videos"], evaluation["num_classes"]) == (6, 3) and evaluation["failed"] == []
    assert evaluation["per_class"].keys() == {"moving_left", "moving_right", "moving_up"}
    assert evaluation["protocol"] == ("moving_shapes test, 3 clips of 8 frames, stride 1, centre crop, mean of logits")


def test_the_file_has_a_video_in_a_line(evaluation, tmp_path):
    lines = (tmp_path / "evaluation.json").read_text().splitlines()
    begin = lines.index('  "predictions": [') + 1
    videos = [json.loads(line.removesuffix(",")) for line in lines[begin : lines.index("  ],", begin)]]
    assert videos == evaluation["predictions"] and len(videos) == 6
    assert '  "failed": []' in lines and '    "moving_left": ' in "\n".join(lines)


def test_two_processes_give_the_numbers_of_one_though_they_do_not_divide_the_videos(
    fine_tuned, shapes, tmp_path, run_script, evaluation
):
    done = run_script(
        "evaluate_model",
        # 6 videos in global batches of 2 · 4: the second process gets a padded batch that must be trimmed by videos
        *flags(fine_tuned, shapes, tmp_path / "two.json", per_device_eval_batch_size=2, log_level="info"),
        processes=2,
    )
    assert done.returncode == 0, done.stderr
    assert "Num examples = 6" in done.stderr
    assert json.loads((tmp_path / "two.json").read_text()) == evaluation


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"task": "knn", "before": "encoder"}, "--before goes with --task forgetting, relearning, not with knn"),
        ({"task": "relearning", "retrieval_protocol": "vcop"}, "--retrieval_protocol goes with --task classification"),
        ({"task": "knn", "retrieval_protocol": "vcop"}, "--retrieval_protocol vcop needs --task retrieval, not knn"),
        ({"task": "forgetting"}, "--before is missing; --task forgetting compares with the encoder that"),
        ({"task": "relearning", "before": "c3d"}, "--before is c3d, which has random weights; --task relearning"),
        ({"task": "knn", "part": "train"}, "--part is train, but --task knn uses it as the gallery; set it to test"),
        ({"config_overrides": "num_frames=4"}, "--config_overrides needs --task retrieval, linear_probe or knn"),
    ],
)
def test_flags_that_do_not_go_together_are_refused_in_one_line(shapes, tmp_path, capsys, wrong, message):
    with pytest.raises(SystemExit) as stopped:
        evaluate.main(flags("model", shapes, tmp_path / "evaluation.json", **wrong))
    (line,) = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2 and message in line


def test_the_line_names_chance_and_a_class_that_all_videos_are_predicted_as():
    values = {"video_top1": 0.25, "video_top5": 1.0, "clip_top1": 0.25, "clip_top5": 1.0, "num_videos": 4}
    values |= {"num_classes": 4, "protocol": "p"}
    values["predictions"] = [{"label": label, "predicted": "Bend"} for label in ("Bend", "Jump", "Run", "Walk")]
    assert evaluate.describe_accuracies(values) == (
        "p: video top-1 25.0 %; clip top-1 25.0 %; chance is 25.0 %; all videos were predicted as Bend; 4 videos"
    )
