import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_selfdistill import C3DForVideoClassification, C3DVideoProcessor, read_frames
from hf_selfdistill.cli import evaluate as command
from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import evenly_spaced_clips
from hf_selfdistill.runs import evaluate as module
from hf_selfdistill.runs.configs import EvaluateConfig
from hf_selfdistill.training.record import RunRecord, hash_of_model


def evaluate(model, folder, dataset="moving_shapes", **values):
    config = EvaluateConfig(
        model_name_or_path=str(model), dataset=dataset, num_clips=3, use_cpu=True, disable_tqdm=True, **values
    )
    return module.evaluate(config).values


def test_accuracies_equal_those_computed_by_hand(fine_tuned, shapes, tmp_path):
    evaluation = evaluate(fine_tuned, tmp_path, dataset_root=str(shapes))
    model = C3DForVideoClassification.from_pretrained(fine_tuned).eval()
    processor = C3DVideoProcessor.from_pretrained(fine_tuned)
    videos, clips = [], []
    for record in load_video_dataset("moving_shapes", shapes)["test"]:
        path = record["video"]["path"]
        with VideoReader(path) as reader:
            windows = evenly_spaced_clips(reader.num_frames, 8, 3)
        batch = processor([read_frames(path, w) for w in windows], do_sample_frames=False, return_tensors="pt")
        with torch.no_grad():
            logits = model(batch["pixel_values"]).logits
        videos.append(logits.mean(0).argmax().item() == record["label"])
        clips += (logits.argmax(1) == record["label"]).tolist()
    assert evaluation["video_top1"] == pytest.approx(sum(videos) / 6)
    assert [one["label"] == one["predicted"] for one in evaluation["predictions"]] == videos
    assert all(0.333 <= one["score"] <= 1 for one in evaluation["predictions"])  # of three classes, the likeliest
    assert [str(shapes / one["video"]) for one in evaluation["predictions"]] == [
        record["video"]["path"] for record in load_video_dataset("moving_shapes", shapes)["test"]
    ]
    assert evaluation["clip_top1"] == pytest.approx(sum(clips) / 18)


def test_a_model_of_other_classes_is_refused(fine_tuned, shapes, tmp_path):
    rows = (shapes / "moving_shapes.csv").read_text().splitlines()
    lists = tmp_path / "two.csv"
    lists.write_text("\n".join(row for row in rows if "moving_up" not in row))
    with pytest.raises(ValueError, match=r"has the classes .* the data set has moving_left, moving_right"):
        evaluate(fine_tuned, tmp_path, dataset="csv", dataset_root=str(shapes), annotations=str(lists))


def test_an_encoder_without_a_head_is_refused(fine_tuned, shapes, tmp_path):
    C3DForVideoClassification.from_pretrained(fine_tuned).base_model.save_pretrained(tmp_path / "encoder")
    C3DVideoProcessor().save_pretrained(tmp_path / "encoder")
    with pytest.raises(ValueError, match=r"lacks classifier\.bias, classifier\.weight.*fine-tune it first"):
        evaluate(tmp_path / "encoder", tmp_path, dataset_root=str(shapes))


@pytest.mark.parametrize("text", ["{", "[]", '{"retrieval_top1": 0.5}'])
def test_a_baseline_of_another_kind_is_refused(fine_tuned, shapes, tmp_path, text):
    (tmp_path / "baseline.json").write_text(text)
    with pytest.raises(ValueError, match=r"`baseline_file` .*baseline\.json is not a file of results"):
        evaluate(fine_tuned, tmp_path, dataset_root=str(shapes), baseline_file=str(tmp_path / "baseline.json"))


@pytest.fixture
def model(fine_tuned, tmp_path):
    folder = shutil.copytree(fine_tuned, tmp_path / "model")
    record = RunRecord.load(folder)
    record.results = []  # of tests before this one
    record.save(folder)
    return folder


def test_both_doors_leave_the_same_result_in_record_and_card(model, shapes, tmp_path):
    values = {"dataset": "moving_shapes", "dataset_root": str(shapes), "num_clips": 3, "use_cpu": True}
    mine = module.evaluate(EvaluateConfig(model_name_or_path=str(model), disable_tqdm=True, **values))
    recorded = RunRecord.load(model).results[-1]
    flags = [word for name, value in values.items() for word in (f"--{name}", str(value))]
    output = ["--output_file", str(tmp_path / "e.json"), "--disable_tqdm", "true"]
    command.main(["--model_name_or_path", str(model), *flags, *output])
    theirs = RunRecord.load(model).results[-1]
    assert recorded == mine and mine.config.keys() == {"model_name_or_path", "disable_tqdm", *values}
    theirs.config.pop("output_file")
    assert theirs == mine
    assert mine.protocol in (model / "README.md").read_text()


def test_results_of_other_weights_are_stale(model, shapes, tmp_path):
    evaluate(model, tmp_path, dataset_root=str(shapes))
    weights = load_file(model / "model.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, model / "model.safetensors", {"format": "pt"})
    record = RunRecord.load(model)
    record.weights = hash_of_model(model)
    assert record.current() == [] and record.stale() == ["classification"]


def test_a_folder_without_a_record_is_tested_and_said_not_to_be_recorded(model, shapes, tmp_path, caplog):
    (model / "run.json").unlink()
    with caplog.at_level("INFO"):
        assert evaluate(model, tmp_path, dataset_root=str(shapes))["num_videos"] == 6
    assert "nothing is recorded" in caplog.text and not (model / "run.json").exists()


def test_a_part_that_the_run_did_not_hold_out_is_warned_of(model, shapes, tmp_path, caplog):
    evaluate(model, tmp_path, dataset_root=str(shapes))
    assert "possibly trained on" not in caplog.text
    other = shutil.copytree(shapes, tmp_path / "other")
    table = other / "moving_shapes.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if "_g08_" not in line) + "\n")
    evaluate(model, tmp_path, dataset_root=str(other))
    assert "the model was possibly trained on some of these videos" in caplog.text


def test_a_missing_file_of_the_baseline_is_named_with_its_parameter(fine_tuned, shapes, tmp_path):
    with pytest.raises(ValueError, match=r"`baseline_file` nosuch\.json is not a file of results"):
        evaluate(fine_tuned, tmp_path, dataset_root=str(shapes), baseline_file="nosuch.json")
