from __future__ import annotations

import copy

import torch

from hf_selfdistill.regularizers.linear_probe import freeze_encoder


def test_the_encoder_stays_bit_for_bit_with_its_statistics_and_the_head_learns(classifier, trainer_of):
    before = copy.deepcopy(classifier.state_dict())
    freeze_encoder(classifier)
    trainer_of(classifier, weight_decay=0.1).train()
    changed = {name for name, value in classifier.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_the_head_learns_what_gradient_descent_on_frozen_features_gives(classifier, trainer_of, clips):
    with torch.no_grad():
        pixels = torch.stack([clips[index]["pixel_values"] for index in range(8)])
        features = classifier.eval().encoder(pixels).pooler_output
    labels = torch.tensor([clips[index]["labels"] for index in range(8)])
    head = copy.deepcopy(classifier.classifier)
    for _ in range(2):
        head.zero_grad()
        torch.nn.functional.cross_entropy(head(features), labels).backward()
        with torch.no_grad():
            for parameter in head.parameters():
                parameter -= 0.1 * parameter.grad
    freeze_encoder(classifier)
    trainer_of(classifier, per_device_train_batch_size=8).train()
    torch.testing.assert_close(classifier.classifier.weight, head.weight)
