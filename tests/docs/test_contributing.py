"""The examples of CONTRIBUTING: an objective, a regularizer and an encoder from outside of the package."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest
import torch
from brightness import arguments, tiny_encoder, tiny_processor, write_videos
from guides import ROOT, blocks
from short_training import SETTINGS
from transformers import set_seed

from hf_selfdistill import (
    C3DConfig,
    C3DForVideoClassification,
    PretrainingTrainer,
    SelfDistillationArguments,
    SelfDistillationTrainer,
)

EXAMPLES = [block.code for block in blocks(ROOT / "CONTRIBUTING.md") if block.language == "python"]
SMALL = {"num_frames": 8, "image_size": 16, "num_labels": 2}
CLIPS = [{"pixel_values": torch.randn(8, 3, 16, 16), "labels": index % 2} for index in range(8)]


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Import the example that defines a class, as a module."""

    def load(name: str) -> ModuleType:
        (code,) = (code for code in EXAMPLES if f"class {name}(" in code)
        file = tmp_path / f"{name.lower()}_example.py"
        file.write_text(code)
        spec = importlib.util.spec_from_file_location(file.stem, file)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, file.stem, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def fine_tune(tmp_path):
    def run(model, folder, distill_weight=0.0, callbacks=()):
        args = SelfDistillationArguments(
            str(tmp_path / folder), **{**SETTINGS, "num_train_epochs": 2, "distill_weight": distill_weight}
        )
        trainer = SelfDistillationTrainer(model, args, train_dataset=CLIPS, callbacks=list(callbacks))
        trainer.train()
        return trainer

    return run


def test_the_objective_is_trained_on_videos_and_saved(example, tmp_path):
    module = example("Direction")
    trainer = PretrainingTrainer(
        module.Direction(tiny_encoder(), module.DirectionArguments()),
        arguments(tmp_path / "run"),
        train_dataset=write_videos(tmp_path / "videos", 8),
        processing_class=tiny_processor(),
    )
    before = trainer.model.head.weight.detach().clone()
    trainer.train()
    assert not torch.equal(trainer.model.head.weight, before)
    accuracies = [log["direction_accuracy"] for log in trainer.state.log_history if "direction_accuracy" in log]
    assert len(accuracies) == 4 and all(0 <= accuracy <= 1 for accuracy in accuracies)
    trainer.save_model(str(tmp_path / "saved"))
    trainer.model.load(tmp_path / "saved")


def test_the_views_of_the_objective_are_both_directions(example):
    class Reader:
        num_frames, fps = 8, 25.0

        def read(self, indices):
            return torch.tensor(indices, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 16, 16)

    views = example("Direction").DirectionViews(tiny_processor(), 8)
    samples = [views(Reader(), "video") for _ in range(20)]
    assert {int(sample["backwards"]) for sample in samples} == {0, 1}
    for sample in samples:
        rises = bool((sample["clips"].mean((1, 2, 3)).diff() > 0).all())
        assert rises != bool(sample["backwards"])


def test_the_regularizer_changes_the_encoder_only_by_its_weight(example, fine_tune):
    weights = {}
    for weight in (None, 0.0, 0.01):
        set_seed(0)
        model = C3DForVideoClassification(C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], **SMALL))
        callbacks = [] if weight is None else [example("L1SPCallback").L1SPCallback(model, weight)]
        trained = fine_tune(model, f"alpha-{weight}", callbacks=callbacks).model
        weights[weight] = torch.cat([parameter.detach().flatten() for parameter in trained.encoder.parameters()])
    assert torch.equal(weights[None], weights[0.0])
    assert not torch.equal(weights[None], weights[0.01])


def test_the_encoder_is_fine_tuned_by_self_distillation_and_loaded_again(example, fine_tune, tmp_path):
    module = example("PlainModel")
    set_seed(0)
    model = module.PlainForVideoClassification(module.PlainConfig(hidden_sizes=[4, 8], **SMALL))
    trainer = fine_tune(model, "run", distill_weight=10.0)
    distances = [log["distill_loss"] for log in trainer.state.log_history if "distill_loss" in log]
    assert distances[0] == 0 < distances[1]
    trainer.save_model(str(tmp_path / "saved"))
    loaded = module.PlainForVideoClassification.from_pretrained(tmp_path / "saved").eval()
    clip = CLIPS[0]["pixel_values"][None]
    assert torch.equal(loaded(clip).logits, trainer.model.eval()(clip).logits)
