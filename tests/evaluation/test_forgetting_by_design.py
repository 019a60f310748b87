"""A case with a known answer: an encoder of the direction of drifting textures is fine-tuned on random labels.

The classes differ only in the direction of motion, which random weights hardly encode. Fitting random labels at a high
learning rate must destroy this knowledge. A regularizer must retain it, a stronger one more of it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from short_training import SETTINGS
from torch import Tensor
from torch.utils.data import Dataset
from transformers import set_seed

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.evaluation.features import FeatureSet
from hf_selfdistill.evaluation.forgetting import compare
from hf_selfdistill.regularizers.l2_sp import L2SPCallback
from hf_selfdistill.self_distillation.arguments import SelfDistillationArguments
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

WAYS = ((0, 1), (0, -1), (1, 0), (-1, 0))
SEED = 0  # 0 to 3 were tried, with one thread and with two, which round differently


class Clips(Dataset):
    def __init__(self, clips: Tensor, labels: Tensor) -> None:
        self.clips, self.labels = clips, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"pixel_values": self.clips[index], "labels": self.labels[index]}


def drifting(videos: int, part: int) -> Clips:
    """Smooth noise that moves a pixel per frame, plus independent noise in each frame."""
    generator = torch.Generator().manual_seed(10 * SEED + part)
    labels = torch.arange(videos) % len(WAYS)
    rough = torch.randn(videos, 3, 16, 16, generator=generator)
    textures = (rough + rough.roll(1, 2) + rough.roll(1, 3) + rough.roll((1, 1), (2, 3))) / 2
    clips = torch.stack(
        [
            torch.stack([texture.roll((time * WAYS[way][0], time * WAYS[way][1]), (1, 2)) for time in range(8)])
            for texture, way in zip(textures, labels.tolist(), strict=True)
        ]
    )
    return Clips(clips + 0.3 * torch.randn(clips.shape, generator=generator), labels)


def features(model: torch.nn.Module, data: Clips) -> FeatureSet:
    with torch.no_grad():
        found = model.eval().base_model(data.clips).pooler_output
    return FeatureSet(found, data.labels, [str(index) for index in range(len(data))], list(range(len(data))))


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> Callable[..., torch.nn.Module]:
    def run(model, data, epochs, rate, pull=0.0, **settings: Any):
        model = copy.deepcopy(model)
        own = {"per_device_train_batch_size": 16, "learning_rate": rate, "num_train_epochs": epochs}
        fixed = {"lr_scheduler_type": "constant", "logging_steps": 1000, "distill_weight": 0.0}
        args = SelfDistillationArguments(
            str(tmp_path_factory.mktemp("run")), **{**SETTINGS, **own, **fixed, **settings}
        )
        pulls = [L2SPCallback(model, pull)] if pull else []
        SelfDistillationTrainer(model, args, train_dataset=data, callbacks=pulls).train()
        return model

    return run


@pytest.fixture(scope="module")
def random_encoder() -> torch.nn.Module:
    set_seed(SEED)
    config = C3DConfig(hidden_sizes=[8, 8, 16, 16, 16], num_frames=8, image_size=16, num_labels=len(WAYS))
    return C3DForVideoClassification(config)


@pytest.fixture(scope="module")
def encoder(random_encoder, train) -> torch.nn.Module:
    return train(random_encoder, drifting(128, 1), 20, 0.05)


@pytest.fixture(scope="module")
def compared(encoder) -> Callable[[torch.nn.Module], dict[str, Any]]:
    reference = drifting(128, 1), drifting(128, 2)
    before = [features(encoder, part) for part in reference]
    return lambda model: compare(before, [features(model, part) for part in reference])


@pytest.fixture(scope="module")
def retained(encoder, train, compared) -> Callable[..., dict[str, float]]:
    """Retention after eight epochs of random labels, the mean of three draws, as runs differ at this rate."""

    def run(**settings: Any) -> dict[str, float]:
        found = []
        for draw in range(3):
            data = drifting(64, 3)
            data.labels = data.labels[torch.randperm(64, generator=torch.Generator().manual_seed(10 * SEED + draw))]
            found.append(compared(train(encoder, data, 8, 0.3, **settings))["retention"])
        return {name: sum(retention[name] for retention in found) / 3 for name in ("low", "value", "high")}

    return run


@pytest.fixture(scope="module")
def unprotected(retained) -> dict[str, float]:
    return retained()


def test_the_encoder_is_far_better_than_random_weights(random_encoder, compared):
    report = compared(random_encoder)
    assert report["before"]["linear_probe_top1"]["low"] > 0.8
    assert report["after"]["linear_probe_top1"]["value"] < 0.5 and report["chance"] == 0.25


def test_the_unchanged_encoder_retains_everything(encoder, compared):
    assert compared(encoder)["retention"] == {"value": 1, "low": 1, "high": 1}


def test_random_labels_at_a_high_learning_rate_destroy_retention(unprotected):
    assert unprotected["value"] < 0.5 and unprotected["high"] < 0.6


def test_a_stronger_l2_sp_penalty_retains_more(unprotected, retained):
    weak, strong = (retained(pull=weight) for weight in (0.15, 1.0))
    assert unprotected["value"] < weak["value"] < strong["value"]
    assert strong["low"] > 0.7 > unprotected["high"]


def test_a_teacher_that_stays_longer_retains_more(unprotected, retained):
    by_epoch, frozen = (retained(distill_weight=10.0, teacher_update=update) for update in ("epoch", "frozen"))
    assert unprotected["value"] < by_epoch["value"] < frozen["value"]
    assert frozen["low"] > 0.8
