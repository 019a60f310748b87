import pytest
import torch
from hf_selfdistill.commands.datasets import DatasetArguments, SamplingArguments

from hf_selfdistill import C3DForVideoClassification, C3DVideoProcessor, read_frames
from hf_selfdistill.commands.classification import evaluate_classifier, read_baseline
from hf_selfdistill.commands.testing import (
    Evaluation,
    EvaluationArguments,
    FeatureArguments,
    ForgettingArguments,
    TestArguments,
)
from hf_selfdistill.data.datasets import load_video_dataset
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import evenly_spaced_clips


def evaluate(model, folder, dataset="moving_shapes", **data):
    args = EvaluationArguments(folder, per_device_eval_batch_size=4, use_cpu=True, disable_tqdm=True, report_to=[])
    test = TestArguments(model_name_or_path=str(model), num_clips=3)
    data = DatasetArguments(dataset=dataset, **data)
    return evaluate_classifier(
        Evaluation(test, FeatureArguments(), ForgettingArguments(), data, SamplingArguments(), args)
    )


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
    assert [one["video"] for one in evaluation["predictions"]] == [
        record["video"]["path"] for record in load_video_dataset("moving_shapes", shapes)["test"]
    ]
    assert evaluation["clip_top1"] == pytest.approx(sum(clips) / 18)


def test_a_model_of_other_classes_is_refused(fine_tuned, shapes, tmp_path):
    rows = (shapes / "moving_shapes.csv").read_text().splitlines()
    lists = tmp_path / "two.csv"
    lists.write_text("\n".join(row for row in rows if "moving_up" not in row))
    with pytest.raises(ValueError, match=r"knows the classes .* the data set has moving_left, moving_right"):
        evaluate(fine_tuned, tmp_path, dataset="csv", dataset_root=str(shapes), annotations=str(lists))


def test_an_encoder_without_a_head_is_refused(fine_tuned, shapes, tmp_path):
    C3DForVideoClassification.from_pretrained(fine_tuned).base_model.save_pretrained(tmp_path / "encoder")
    C3DVideoProcessor().save_pretrained(tmp_path / "encoder")
    with pytest.raises(ValueError, match=r"lacks classifier\.bias, classifier\.weight.*fine-tune it first"):
        evaluate(tmp_path / "encoder", tmp_path, dataset_root=str(shapes))


@pytest.mark.parametrize("text", ["{", "[]", '{"retrieval_top1": 0.5}'])
def test_a_baseline_of_another_kind_is_refused(tmp_path, text):
    (tmp_path / "baseline.json").write_text(text)
    with pytest.raises(ValueError, match=r"baseline\.json is no file of results that this command writes"):
        read_baseline(str(tmp_path / "baseline.json"))
