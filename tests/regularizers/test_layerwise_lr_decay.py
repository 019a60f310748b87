from __future__ import annotations

import copy

import pytest
import torch

from hf_selfdistill.regularizers.layerwise_lr_decay import layerwise
from hf_selfdistill.training.trainer import VideoTrainer


def rates(trainer):
    return {id(parameter): group["lr"] for group in trainer.optimizer.param_groups for parameter in group["params"]}


def with_decay(trainer_of, model, decay, **settings):
    optimizer = layerwise(torch.optim.SGD, model, decay)
    return trainer_of(model, optimizer_cls_and_kwargs=(optimizer, {"lr": 0.1}), **settings)


def test_each_layer_has_its_rate_and_the_head_the_whole(classifier, trainer_of):
    trainer = with_decay(trainer_of, classifier, 0.5)
    trainer.train()
    found = rates(trainer)
    for depth, stage in enumerate(classifier.encoder.stages, start=1):
        expected = 0.1 * 0.5 ** (6 - depth)  # exactly: a power of two
        assert {found[id(parameter)] for parameter in stage.parameters()} == {expected}
    assert {found[id(parameter)] for parameter in classifier.classifier.parameters()} == {0.1}


def test_each_weight_is_in_one_group_with_its_weight_decay(classifier, trainer_of):
    trainer = with_decay(trainer_of, classifier, 0.5, weight_decay=0.01)
    trainer.train()
    assert len(rates(trainer)) == len(list(classifier.parameters()))
    assert {group["weight_decay"] for group in trainer.optimizer.param_groups if group["params"]} == {0.01}


def test_the_rate_that_is_logged_is_the_heads(classifier, trainer_of):
    trainer = with_decay(trainer_of, classifier, 0.5)
    trainer.create_optimizer_and_scheduler(10)
    assert trainer._get_learning_rate() == pytest.approx(0.1)


def test_one_step_moves_each_layer_by_its_rate(classifier, trainer_of):
    plain, decayed = copy.deepcopy(classifier), copy.deepcopy(classifier)
    trainer_of(plain, max_steps=1).train()
    with_decay(trainer_of, decayed, 0.5, max_steps=1).train()
    for depth in (1, 3, 5):
        name = f"encoder.stages.{depth - 1}.layers.0.norm.bias"
        start, whole, part = (dict(m.named_parameters())[name] for m in (classifier, plain, decayed))
        torch.testing.assert_close(part - start, (whole - start) * 0.5 ** (6 - depth), rtol=1e-3, atol=1e-7)


def test_decay_1_is_plain_training(classifier, trainer_of):
    plain = copy.deepcopy(classifier)
    trainer_of(plain).train()
    with_decay(trainer_of, classifier, 1.0).train()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in classifier.state_dict().items())


def test_schedules_scale_all_rates_alike(classifier, trainer_of):
    trainer = with_decay(trainer_of, classifier, 0.5, num_train_epochs=2, epoch_lr_schedule="multi_step")
    trainer.train()
    head, first = (rates(trainer)[id(part)] for part in (classifier.classifier.bias, next(classifier.parameters())))
    assert first == pytest.approx(head * 0.5**5) and isinstance(trainer, VideoTrainer)
