from __future__ import annotations

import json
import shutil

import pytest
import torch
from PIL import Image
from tiny_classifiers import save_checkpoint, tiny_model, tiny_processor
from transformers import AutoModelForVideoClassification, VideoMAEForPreTraining, VideoMAEForVideoClassification

from hf_selfdistill.cli import evaluate, finetune, pretrain
from hf_selfdistill.pretraining.pace import Pace
from hf_selfdistill.runs import forgetting, results
from hf_selfdistill.runs.configs import ForgettingConfig
from hf_selfdistill.training.record import RunRecord


def measure(encoder, after, root, file, **overrides):
    flags = {
        "task": "forgetting",
        "before": encoder,
        "model_name_or_path": after,
        "dataset": "moving_shapes",
        "dataset_root": root,
        "num_clips": 2,
        "output_file": file,
        "use_cpu": True,
        "disable_tqdm": True,
        **overrides,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    evaluate.main([word for name, value in given.items() for word in (f"--{name}", str(value))])
    return json.loads(file.read_text())


def test_an_encoder_that_was_not_touched_has_not_drifted(fine_tuned, shapes, tmp_path, caplog):
    report = measure(fine_tuned, fine_tuned, shapes, tmp_path / "forgetting.json")
    assert report["before"] == report["after"]
    assert report["drift"]["cka"]["value"] == pytest.approx(1) and report["drift"]["weight_distance"] == 0
    assert [layer["name"] for layer in report["drift"]["layers"]] == [f"stages.{index}" for index in range(5)]
    assert report["retention"] is None or report["retention"]["value"] == 1
    table = (tmp_path / "forgetting.md").read_text()
    assert "| linear probe, top-1 |" in table and "| CKA of stages.4 | 1.000" in table


def test_other_weights_are_seen_layer_by_layer(fine_tuned, shapes, tmp_path):
    model = AutoModelForVideoClassification.from_pretrained(fine_tuned)
    shutil.copytree(fine_tuned, tmp_path / "moved")
    with torch.no_grad():
        model.encoder.stages[4].layers[0].conv.weight.normal_(generator=torch.Generator().manual_seed(0))
    model.save_pretrained(tmp_path / "moved")
    drift = measure(fine_tuned, tmp_path / "moved", shapes, tmp_path / "forgetting.json")["drift"]
    by_layer = [layer["cka"]["value"] for layer in drift["layers"]]
    assert by_layer[:4] == pytest.approx([1] * 4) and by_layer[4] < 0.99
    assert drift["weight_distance"] > 0 and drift["relative_l2"]["low"] > 0


def test_a_reference_set_without_labels_gives_the_drift_alone(fine_tuned, shapes, tmp_path):
    report = measure(fine_tuned, fine_tuned, shapes, tmp_path / "forgetting.json", dataset="videos")
    assert report["retention"] is None and "before" not in report
    assert report["num_videos"] == 24 and report["drift"]["cka"]["value"] == pytest.approx(1)
    assert "no labels" in (tmp_path / "forgetting.md").read_text()
    assert Image.open(tmp_path / "forgetting.png").width > 600  # CKA of the layers


def test_groups_that_the_probe_cannot_hold_out_are_refused_before_any_video_is_read(
    fine_tuned, shapes, tmp_path, monkeypatch
):
    rows = [row.split(",") for row in (shapes / "moving_shapes.csv").read_text().splitlines()]
    lists = tmp_path / "groups.csv"
    by_class = [
        [video, label, label if part == "train" else f"test {group}", part] for video, label, group, part in rows[1:]
    ]
    lists.write_text("\n".join(",".join(row) for row in (rows[0], *by_class)))
    monkeypatch.setattr(forgetting, "read_features", lambda *args: pytest.fail("videos were read"))
    with pytest.raises(SystemExit, match="each group holds all videos of some class; give more groups"):
        measure(fine_tuned, fine_tuned, shapes, tmp_path / "f.json", dataset="csv", annotations=lists)


def test_the_figure_stands_beside_the_table_where_matplotlib_is(fine_tuned, shapes, tmp_path, monkeypatch):
    measure(fine_tuned, fine_tuned, shapes, tmp_path / "forgetting.json")
    assert Image.open(tmp_path / "forgetting.png").width > 600
    monkeypatch.setattr(results, "find_spec", lambda name: None)
    measure(fine_tuned, fine_tuned, shapes, tmp_path / "plain.json")
    assert (tmp_path / "plain.md").is_file() and not (tmp_path / "plain.png").exists()


def test_heads_of_pre_training_are_measured_too(shapes, tiny_flags, tmp_path):
    words = (
        f"--objective pace --model_type c3d --config_overrides hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16 "
        f"--dataset_root {shapes} --output_dir {tmp_path / 'encoder'} --max_steps 2 --per_device_train_batch_size 4 "
        "--use_cpu --disable_tqdm true --save_strategy no"
    )
    pretrain.main(words.split())
    settings = {"model_name_or_path": tmp_path / "encoder", "config_overrides": None, "num_train_epochs": 1}
    finetune.main(tiny_flags(shapes, tmp_path / "tuned", **settings))
    report = measure(tmp_path / "encoder", tmp_path / "tuned", shapes, tmp_path / "forgetting.json")
    own = report["objective"]
    assert own["name"] == "pace" and own["before"].keys() == own["after"].keys() == {"pace_accuracy"}
    for when in ("before", "after"):
        found = own[when]["pace_accuracy"]
        assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    assert "| metric of pace |" in (tmp_path / "forgetting.md").read_text()


def test_videos_that_can_not_be_read_are_not_asked_of_the_objective_either(fine_tuned, shapes, tmp_path, monkeypatch):
    shutil.copytree(shapes, tmp_path / "videos", ignore=shutil.ignore_patterns("*.csv"))
    broken, *_ = sorted(path for path in (tmp_path / "videos").rglob("*.*") if path.is_file())
    broken.write_bytes(b"no video")
    asked = []
    monkeypatch.setattr(forgetting, "pretext_metrics", lambda *args: asked.extend(args[3]["group"]))
    report = measure(fine_tuned, fine_tuned, tmp_path / "videos", tmp_path / "forgetting.json", dataset="videos")
    assert [tmp_path / "videos" / failure["video"] for failure in report["failed"]] == [broken]
    assert len(asked) == report["num_videos"] == 23 and str(broken) not in asked


@pytest.mark.slow
def test_on_two_processes_the_report_is_the_same(fine_tuned, shapes, tmp_path, run_script):
    before = shutil.copytree(fine_tuned, tmp_path / "before")
    Pace(AutoModelForVideoClassification.from_pretrained(before).base_model, Pace.Arguments()).save(before)
    alone = measure(before, fine_tuned, shapes, tmp_path / "one.json")
    words = f"--task forgetting --before {before} --model_name_or_path {fine_tuned} --dataset moving_shapes"
    words += f" --dataset_root {shapes} --num_clips 2 --use_cpu --output_file {tmp_path / 'two.json'}"
    finished = run_script("evaluate_model", *words.split(), processes=2)
    assert finished.returncode == 0, finished.stderr
    together = json.loads((tmp_path / "two.json").read_text())
    assert together["before"] == alone["before"] and together["num_videos"] == alone["num_videos"]
    assert together["objective"] == alone["objective"] and "pace_accuracy" in alone["objective"]["after"]


def test_two_architectures_are_refused(fine_tuned, shapes, tiny_flags, tmp_path):
    settings = {"model_name_or_path": "r2plus1d", "num_train_epochs": 1}
    settings["config_overrides"] = "hidden_sizes=4,4,8,8,8,num_frames=8,image_size=16"
    finetune.main(tiny_flags(shapes, tmp_path / "other", **settings))
    for task in ("forgetting", "relearning"):
        with pytest.raises(SystemExit, match=r"not of one architecture; give as --before the encoder") as stopped:
            measure(fine_tuned, tmp_path / "other", shapes, tmp_path / "forgetting.json", task=task)
        names = f"--before {fine_tuned}, a c3d, and --model_name_or_path {tmp_path / 'other'}, a r2plus1d: "
        assert names in stopped.value.code


def test_what_was_pre_trained_without_pooled_features_is_measured_as_its_classifier_sees_it(shapes, tmp_path):
    """VideoMAE's pre-training, whose encoder gives tokens."""
    before = VideoMAEForPreTraining(tiny_model("videomae").config)
    save_checkpoint(before, tiny_processor("videomae"), tmp_path / "before")
    after = VideoMAEForVideoClassification.from_pretrained(tmp_path / "before")
    save_checkpoint(after, tiny_processor("videomae"), tmp_path / "after")
    report = measure(tmp_path / "before", tmp_path / "after", shapes, tmp_path / "forgetting.json", num_clips=1)
    assert report["before"] == report["after"] and report["drift"]["cosine"]["value"] == pytest.approx(1)


def test_both_doors_leave_the_same_result_in_the_record(fine_tuned, shapes, tmp_path):
    model = shutil.copytree(fine_tuned, tmp_path / "model")
    values = {"model_name_or_path": str(model), "before": str(fine_tuned), "dataset": "moving_shapes"}
    values |= {"dataset_root": str(shapes), "num_clips": 2, "use_cpu": True, "disable_tqdm": True}
    mine = forgetting.measure_forgetting(ForgettingConfig(**values))
    assert mine.config == values and RunRecord.load(model).results[-1] == mine
    assert measure(fine_tuned, model, shapes, tmp_path / "forgetting.json") == mine.values
    theirs = RunRecord.load(model).results[-1]
    theirs.config.pop("output_file")
    assert theirs == mine


def test_both_doors_leave_the_same_result(fine_tuned, shapes, tmp_path):
    values = {"before": str(fine_tuned), "model_name_or_path": str(fine_tuned), "dataset": "moving_shapes"}
    values |= {"dataset_root": str(shapes), "num_clips": 2, "use_cpu": True, "disable_tqdm": True}
    mine = forgetting.measure_forgetting(ForgettingConfig(**values))
    measure(fine_tuned, fine_tuned, shapes, tmp_path / "forgetting.json")
    theirs = RunRecord.load(fine_tuned).latest("forgetting")
    assert theirs == mine.values
    (recorded,) = RunRecord.load(fine_tuned).current("forgetting")
    assert recorded.config.pop("output_file") == str(tmp_path / "forgetting.json")
    assert (recorded.config, recorded.identity) == (mine.config, mine.identity)
