"""Pre-training of encoders of transformers, from folders as they lie on the Hub; see `test_any_classifier.py`."""

from __future__ import annotations

import json
import logging

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_classifiers import ARCHITECTURES, CLASSES, FRAMES, SIZE, save_checkpoint, tiny_model, tiny_processor
from transformers import AutoModel, AutoVideoProcessor

from hf_selfdistill import C3DConfig, C3DForVideoClassification, C3DModel, C3DVideoProcessor
from hf_selfdistill.cli import finetune, pretrain
from hf_selfdistill.models.loading import load_encoder


@pytest.fixture
def train(shapes, tmp_path):
    def run(model, **overrides):
        flags = {
            "objective": "rspnet",
            "model_name_or_path": model,
            "dataset_root": shapes,
            "output_dir": tmp_path / "out",
            "max_steps": 2,
            "per_device_train_batch_size": 4,
            "queue_size": 8,
            "learning_rate": 0.01,
            "disable_tqdm": True,
            "use_cpu": True,
            **overrides,
        }
        pretrain.main([word for name, value in flags.items() for word in (f"--{name}", str(value))])
        return tmp_path / "out"

    return run


def tiny_c3d(kind, folder):
    sizes = {"shortest_edge": SIZE}, {"height": SIZE, "width": SIZE}
    config = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=SIZE, num_labels=CLASSES)
    return save_checkpoint(kind(config), C3DVideoProcessor(size=sizes[0], crop_size=sizes[1]), folder)


def test_a_vivit_with_its_pooled_feature_is_pre_trained_and_then_fine_tuned(
    train, shapes, tiny_flags, tmp_path, caplog
):
    given = save_checkpoint(AutoModel.from_config(tiny_model("vivit").config), tiny_processor("vivit"), tmp_path / "v")
    out = train(given)
    before, after = load_file(given / "model.safetensors"), load_file(out / "model.safetensors")
    assert before.keys() == after.keys() and any(not torch.equal(before[name], after[name]) for name in before)
    processor = AutoVideoProcessor.from_pretrained(out)
    assert type(processor) is type(tiny_processor("vivit")) and processor.rescale_factor == 1 / 127.5
    caplog.clear()
    settings = {"model_name_or_path": out, "config_overrides": None, "num_train_epochs": 1}
    finetune.main(tiny_flags(shapes, tmp_path / "classifier", **settings))
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line for line in said if line.startswith(str(out))] == [
        f"{out}: new head of 3 classes (classifier), not trained yet",
        # The classifier of ViViT does without them.
        f"{out}: 2 weights are not used, as the model has no layers for them: pooler",
    ]


def test_a_classifier_gives_its_encoder_and_a_pooler_that_it_lacks_is_said_to_be_random(tmp_path, caplog):
    folder = tiny_c3d(C3DForVideoClassification, tmp_path / "c3d")
    encoder, _ = load_encoder(str(folder))
    saved = load_file(folder / "model.safetensors")
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, saved[f"encoder.{name}"])
    assert type(encoder) is C3DModel and "start at random" not in caplog.text
    vivit = save_checkpoint(tiny_model("vivit"), tiny_processor("vivit"), tmp_path / "vivit")
    with caplog.at_level(logging.WARNING, logger="hf_selfdistill"):
        load_encoder(str(vivit))
    assert f"{vivit} lacks weights of its pooler: they start at random" in caplog.text


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "vivit"])
def test_an_encoder_without_a_pooled_feature_is_refused_before_training(name, train, tmp_path):
    folder = save_checkpoint(tiny_model(name), tiny_processor(name), tmp_path / name)
    # transformers 5.19 can't load VideoPrism's bare encoder in the first place.
    refusal = r"error: .*(has no pooled feature of a clip \(pooler_output\)|do not fit its config.json)"
    with pytest.raises(SystemExit, match=refusal) as stopped:
        train(folder)
    assert "\n" not in stopped.value.code and not (tmp_path / "out").exists()


def wider(folder):
    config = json.loads((folder / "config.json").read_text())
    config["hidden_sizes"][-1] += 2
    (folder / "config.json").write_text(json.dumps(config))


def halved(folder):
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "stages.4" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("change", [wider, halved], ids=["of another shape", "missing"])
def test_weights_that_do_not_fit_the_configuration_are_refused_with_one_named(change, train, tmp_path):
    folder = tiny_c3d(C3DModel, tmp_path / "c3d")
    change(folder)
    with pytest.raises(
        SystemExit, match=r"weights of .*c3d do not fit its config\.json.* the first stages\.4"
    ) as stopped:
        train(folder)
    assert "\n" not in stopped.value.code


def test_clips_of_another_size_than_the_model_takes_are_refused_before_training(train, tmp_path):
    processor = tiny_processor("vivit")
    processor.crop_size = {"height": SIZE // 2, "width": SIZE // 2}
    encoder = AutoModel.from_config(tiny_model("vivit").config)
    assert encoder.config.num_frames == FRAMES
    with pytest.raises(SystemExit, match=r"error: .*size \(8\*8\) doesn't match model \(16\*16\)"):
        train(save_checkpoint(encoder, processor, tmp_path / "v"))


def test_a_folder_without_a_processor_is_refused_and_overrides_go_with_random_weights(train, tmp_path, capsys):
    folder = tiny_c3d(C3DModel, tmp_path / "c3d")
    with pytest.raises(SystemExit):
        train(folder, config_overrides="image_size=32")
    assert "--config_overrides is image_size=32, but" in capsys.readouterr().err
    (folder / "video_preprocessor_config.json").unlink()
    with pytest.raises(SystemExit, match="Can't load video processor for"):
        train(folder)
