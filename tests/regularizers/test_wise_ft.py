from __future__ import annotations

import copy

import pytest
import torch
from safetensors.torch import load_file

from hf_selfdistill.regularizers.wise_ft import WeightAverageCallback


@pytest.fixture
def trained(classifier, trainer_of):
    start = copy.deepcopy(classifier.state_dict())
    trainer = trainer_of(classifier)
    callback = WeightAverageCallback(trainer, [0.5, 0.0, 1.0])
    trainer.train()
    fine_tuned = copy.deepcopy(classifier.state_dict())
    callback.on_train_end(trainer.args, trainer.state, trainer.control)
    return trainer, start, fine_tuned


def saved(trainer, weight):
    return load_file(f"{trainer.args.output_dir}/averages/{weight}/model.safetensors")


def test_the_first_average_stays_in_the_model(trained):
    trainer, start, fine_tuned = trained
    for name, value in trainer.model.encoder.state_dict(prefix="encoder.").items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (start[name] + fine_tuned[name]) / 2, msg=name)
    assert torch.equal(trainer.model.classifier.weight, fine_tuned["classifier.weight"])


def test_weight_1_is_the_fine_tuned_model_and_weight_0_the_encoder_before_with_the_new_head(trained):
    trainer, start, fine_tuned = trained
    assert all(torch.equal(value, fine_tuned[name]) for name, value in saved(trainer, 1).items())
    for name, value in saved(trainer, 0).items():
        of_head = name.startswith("classifier.")
        torch.testing.assert_close(value, (fine_tuned if of_head or "num_batches" in name else start)[name], msg=name)


def test_each_average_is_a_folder_of_its_own(trained):
    trainer, _, _ = trained
    model = type(trainer.model).from_pretrained(f"{trainer.args.output_dir}/averages/0.5")
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in trainer.model.state_dict().items())


def test_a_head_that_started_from_a_probe_is_averaged_too(classifier, trainer_of):
    start = copy.deepcopy(classifier.state_dict())
    trainer = trainer_of(classifier)
    callback = WeightAverageCallback(trainer, [0.25], with_head=True)
    trainer.train()
    fine_tuned = copy.deepcopy(classifier.state_dict())
    callback.on_train_end(trainer.args, trainer.state, trainer.control)
    expected = 0.75 * start["classifier.weight"] + 0.25 * fine_tuned["classifier.weight"]
    torch.testing.assert_close(classifier.classifier.weight.detach(), expected)
