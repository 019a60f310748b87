from __future__ import annotations

import copy

import pytest
import torch

from hf_selfdistill.regularizers.encoder_lr import slower_encoder


def with_share(trainer_of, model, share, **settings):
    optimizer = slower_encoder(torch.optim.SGD, model, share)
    return trainer_of(model, optimizer_cls_and_kwargs=(optimizer, {"lr": 0.1}), **settings)


@pytest.mark.parametrize("share", [0.25, 0.0])
def test_one_step_moves_the_encoder_by_its_share_and_the_head_by_the_whole_rate(classifier, trainer_of, share):
    plain, slower = copy.deepcopy(classifier), copy.deepcopy(classifier)
    trainer_of(plain, max_steps=1).train()
    with_share(trainer_of, slower, share, max_steps=1).train()
    for name, start in classifier.named_parameters():
        whole, part = (dict(model.named_parameters())[name] - start for model in (plain, slower))
        factor = 1 if name.startswith("classifier.") else share
        torch.testing.assert_close(part, whole * factor, rtol=1e-3, atol=1e-6, msg=name)


def test_share_1_is_plain_training(classifier, trainer_of):
    plain = copy.deepcopy(classifier)
    trainer_of(plain).train()
    with_share(trainer_of, classifier, 1.0).train()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in classifier.state_dict().items())


def test_the_rate_that_is_logged_is_the_heads(classifier, trainer_of):
    trainer = with_share(trainer_of, classifier, 0.01)
    trainer.create_optimizer_and_scheduler(10)
    assert trainer._get_learning_rate() == pytest.approx(0.1)
