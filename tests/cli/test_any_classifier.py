"""The commands around the video classifiers of transformers, loaded from folders as they lie on the Hub."""

from __future__ import annotations

import ast
import json
import logging
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tiny_classifiers import ARCHITECTURES, FRAMES, SIZE, save_checkpoint, tiny_model, tiny_processor
from transformers import (
    AutoImageProcessor,
    AutoModelForVideoClassification,
    AutoVideoProcessor,
    VideoMAEForPreTraining,
)

from hf_selfdistill import read_frames
from hf_selfdistill.cli import evaluate as command
from hf_selfdistill.cli import finetune, predict
from hf_selfdistill.data.decoding import VideoReader
from hf_selfdistill.data.sampling import evenly_spaced_clips
from hf_selfdistill.data.transforms import ClipProcessor
from hf_selfdistill.models.loading import load_classifier, load_for_inference

LABELS = ["moving_left", "moving_right", "moving_up"]


@pytest.fixture
def checkpoint(tmp_path):
    return lambda name: save_checkpoint(tiny_model(name), tiny_processor(name), tmp_path / name)


@pytest.fixture
def fine_tune(shapes, tiny_flags, tmp_path):
    def run(model, name="out", **overrides):
        settings = {"num_train_epochs": 1, "learning_rate": 0.01, "config_overrides": None, **overrides}
        finetune.main(tiny_flags(shapes, tmp_path / name, model_name_or_path=model, **settings))
        return tmp_path / name

    return run


@pytest.fixture
def evaluate(shapes, tmp_path):
    def run(model):
        flags = {
            "model_name_or_path": model,
            "dataset": "moving_shapes",
            "dataset_root": shapes,
            "num_clips": 2,
            "output_file": tmp_path / "evaluation.json",
            "output_dir": tmp_path,
            "use_cpu": True,
            "disable_tqdm": True,
        }
        command.main([word for name, value in flags.items() for word in (f"--{name}", str(value))])
        return json.loads((tmp_path / "evaluation.json").read_text())

    return run


def printed_classes(model, video, capsys, num_clips=2):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        predict.main(["--model_name_or_path", str(model), "--num_clips", str(num_clips), str(video)])
    assert stopped.value.code == 0
    return {line.split()[1]: line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]}


def probabilities_by_hand(model, video):
    processor = AutoVideoProcessor.from_pretrained(model)
    classifier = AutoModelForVideoClassification.from_pretrained(model).eval()
    with VideoReader(video) as reader:
        windows = evenly_spaced_clips(reader.num_frames, FRAMES, 2)
    clips = [read_frames(video, window) for window in windows]
    with torch.no_grad():
        logits = classifier(**processor(clips, do_sample_frames=False, return_tensors="pt")).logits
    shares = logits.reshape(2, -1).mean(0).softmax(0)
    return {classifier.config.id2label[index]: f"{share:.1%}" for index, share in enumerate(shares.tolist())}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_is_fine_tuned_evaluated_and_predicts(name, checkpoint, fine_tune, evaluate, shapes, capsys):
    given = checkpoint(name)
    out = fine_tune(given)
    before, after = load_file(given / "model.safetensors"), load_file(out / "model.safetensors")
    assert before.keys() == after.keys() and any(not torch.equal(before[key], after[key]) for key in before)
    assert type(AutoVideoProcessor.from_pretrained(out)) is type(tiny_processor(name))
    assert "eval_video_top1" in json.loads((out / "all_results.json").read_text())

    results = evaluate(out)
    assert results["num_videos"] == 6 and results["failed"] == []
    assert f"2 clips of {FRAMES} frames" in results["protocol"]

    video = next(shapes.glob("*/*.avi"))
    assert printed_classes(out, video, capsys) == probabilities_by_hand(out, str(video))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_code_of_its_card_classifies_a_clip_as_predict_does(
    name, checkpoint, fine_tune, shapes, tmp_path, monkeypatch, capsys
):
    out = fine_tune(checkpoint(name))
    shutil.copy(next(shapes.glob("*/*.mp4")), tmp_path / "clip.mp4")
    code = re.search(r"```python\n(.*?)```", (out / "README.md").read_text(), re.S)[1]
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    exec(compile(code, "README.md", "exec"), {})
    shown = {row["label"]: f"{row['score']:.1%}" for row in ast.literal_eval(capsys.readouterr().out)}
    assert shown == printed_classes(out, tmp_path / "clip.mp4", capsys, num_clips=10)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_encoder_without_head_gets_one_and_keeps_its_weights(name, tmp_path, caplog):
    whole = tiny_model(name)
    encoder = whole.base_model
    if encoder is whole:
        pytest.skip("transformers 5.19 can't load VideoPrism's encoder into its classifier")
    if name == "videomae":  # as self-supervised checkpoints are: with a decoder
        encoder = VideoMAEForPreTraining(whole.config)
    folder = save_checkpoint(encoder, tiny_processor(name), tmp_path / name)
    with caplog.at_level(logging.WARNING, logger="hf_selfdistill"):
        model, _ = load_classifier(str(folder), LABELS)
    assert "new head of 3 classes (" in caplog.text
    trained_before = encoder.base_model.state_dict()
    for key, value in model.base_model.state_dict().items():
        assert torch.equal(value, trained_before[key]), key
    fresh = {key.split(".")[0] for key in model.state_dict()} - {model.base_model_prefix, "classifier"}
    for layer in fresh:  # VideoMAE's fc_norm, V-JEPA2's pooler, VideoPrism's head
        assert layer in caplog.text
    with pytest.raises(ValueError, match="is not a fine-tuned classifier"):
        load_for_inference(str(folder))


def image_settings(kind, **others):
    size = {"size": {"shortest_edge": 18}, "crop_size": {"height": SIZE, "width": SIZE}}
    return {**kind, **size, "do_resize": True, "do_center_crop": True, "do_normalize": True, **others}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (
            "timesformer",
            image_settings(
                {"image_processor_type": "VideoMAEImageProcessor"}, image_mean=[0.45] * 3, image_std=[0.225] * 3
            ),
        ),
        ("videomae", image_settings({"feature_extractor_type": "VideoMAEFeatureExtractor"}, size=18, crop_size=SIZE)),
        (
            "vivit",
            image_settings({"image_processor_type": "VivitImageProcessor"}, rescale_factor=1 / 127.5, offset=True),
        ),
    ],
)
def test_a_checkpoint_with_only_an_image_processor_is_prepared_as_that_does(name, settings, checkpoint):
    folder = checkpoint(name)
    (folder / "video_preprocessor_config.json").unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    _, processor = load_classifier(str(folder), LABELS)
    frames = torch.randint(0, 256, (FRAMES, 3, 24, 32), dtype=torch.uint8)
    images = AutoImageProcessor.from_pretrained(folder)([frame.numpy() for frame in frames], return_tensors="pt")
    grey_level = 1 / 255 / min(processor.image_std) * (2 if name == "vivit" else 1)
    difference = (ClipProcessor(processor)(frames) - images["pixel_values"][0]).abs().max().item()
    assert difference <= grey_level * 1.01  # two ways of rounding what was resized
    assert ClipProcessor.size_of(processor) == (SIZE, SIZE)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_checkpoint_in_half_precision_is_trained_and_used_in_single(dtype, tmp_path):
    folder = save_checkpoint(tiny_model("videomae").to(dtype), tiny_processor("videomae"), tmp_path / "half")
    trained, _ = load_classifier(str(folder), LABELS)
    used, _ = load_for_inference(str(folder))
    assert {value.dtype for model in (trained, used) for value in model.parameters()} == {torch.float32}


def test_a_rate_that_was_trained_at_is_kept_and_used_and_leaves_the_processor_as_it_was(
    checkpoint, fine_tune, evaluate
):
    out = fine_tune(checkpoint("videomae"), target_fps=12.5)
    assert "stride 1 at 12.5 fps" in evaluate(out)["protocol"]
    frames = torch.zeros(9, 3, 24, 32, dtype=torch.uint8)
    clip = AutoVideoProcessor.from_pretrained(out)(frames, num_frames=FRAMES, do_sample_frames=True)
    assert len(clip["pixel_values"][0]) == FRAMES


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_adapters_are_trained_and_merged_into_a_plain_model(
    name, checkpoint, fine_tune, evaluate, shapes, capsys, tmp_path
):
    given = checkpoint(name)
    out = fine_tune(given, lora_rank=2)
    before, after = load_file(given / "model.safetensors"), load_file(out / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed > {"classifier.weight", "classifier.bias"}
    assert not any("norm" in key or "bias" in key for key in changed - {"classifier.bias"})  # linear layers alone
    assert not (out / "adapter_config.json").exists()
    results = evaluate(out)
    video = next(shapes.glob("*/*.avi"))
    assert results["num_videos"] == 6
    assert printed_classes(out, video, capsys) == probabilities_by_hand(out, str(video))


def test_a_run_with_adapters_resumes_within_an_epoch_from_a_self_supervised_checkpoint(fine_tune, tmp_path):
    encoder = VideoMAEForPreTraining(tiny_model("videomae").config)
    folder = save_checkpoint(encoder, tiny_processor("videomae"), tmp_path / "encoder")
    settings = {"lora_rank": 2, "lora_target_modules": "query,value", "save_strategy": "steps", "save_steps": 1}
    whole = fine_tune(folder, "whole", save_total_limit=9, **settings)
    last = max(whole.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    middle = whole / f"checkpoint-{int(last.name.split('-')[1]) // 2}"
    resumed = fine_tune(folder, "resumed", resume_from_checkpoint=middle, **settings)
    one, other = load_file(whole / "model.safetensors"), load_file(resumed / "model.safetensors")
    assert all(torch.equal(one[key], other[key]) for key in one)

    new = load_file(middle / "adapter_model.safetensors").keys()
    assert any("fc_norm" in key for key in new)  # had no weights in the checkpoint: trained in full
    for wrong in (
        {"lora_rank": 3},
        {"lora_target_modules": "query"},
        {"lora_rank": None, "lora_target_modules": None},
    ):
        with pytest.raises(SystemExit, match="was trained with another --lora_rank or other --lora_target_modules"):
            fine_tune(folder, "refused", resume_from_checkpoint=middle, **{**settings, **wrong})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lora_rank": 0}, "--lora_rank is 0; it must be at least 1"),
        ({"lora_target_modules": "query"}, "--lora_target_modules is query, but --lora_rank is not given"),
        ({"lora_rank": 2, "lora_target_modules": "query,vaule"}, "is named vaule; allowed are dense, key"),
        ({"lora_rank": 2, "model_name_or_path": "c3d"}, "a c3d, has BatchNorm"),
    ],
)
def test_adapters_that_cannot_be_are_refused_in_one_line(wrong, message, checkpoint, fine_tune, capsys):
    folder = wrong.pop("model_name_or_path", None) or checkpoint("videomae")
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        fine_tune(folder, **wrong)
    line = capsys.readouterr().err if stopped.value.code == 2 else stopped.value.code
    assert message in line and line.strip().count("\n") == 0
