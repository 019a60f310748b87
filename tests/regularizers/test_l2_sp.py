from __future__ import annotations

import copy

import pytest
import torch

from hf_selfdistill.regularizers.l2_sp import L2SPCallback


def by_the_formula(model, batches, weight, rate):
    """Plain gradient descent on cross-entropy + α/2 · ‖θ − θ⁰‖² of the encoder, by autograd."""
    start = {name: value.detach().clone() for name, value in model.encoder.named_parameters()}
    for batch in batches:
        loss = model(**batch).loss
        for name, value in model.encoder.named_parameters():
            loss = loss + weight / 2 * (value - start[name]).square().sum()
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= rate * parameter.grad
    return model


def test_its_steps_are_those_of_the_loss_with_the_penalty(classifier, trainer_of):
    expected = copy.deepcopy(classifier).train()
    trainer = trainer_of(classifier, callbacks=[L2SPCallback(classifier, 3.0)], num_train_epochs=1)
    seen = []
    step = trainer.training_step
    trainer.training_step = lambda model, inputs, *rest: (seen.append(dict(inputs)), step(model, inputs, *rest))[1]
    trainer.train()
    by_the_formula(expected, seen, weight=3.0, rate=0.1)
    for name, value in classifier.state_dict().items():
        torch.testing.assert_close(
            value, expected.state_dict()[name], rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_the_stronger_the_nearer_to_the_start(classifier, trainer_of):
    distances = []
    for weight in (0.0, 1.0, 5.0):
        model = copy.deepcopy(classifier)
        trainer_of(model, callbacks=[L2SPCallback(model, weight)]).train()
        old, new = classifier.encoder.parameters(), model.encoder.parameters()
        distances.append(sum((a - b).square().sum().item() for a, b in zip(old, new, strict=True)))
    assert distances[0] > distances[1] > distances[2] > 0


def test_weight_0_changes_nothing(classifier, trainer_of):
    plain = copy.deepcopy(classifier)
    trainer_of(plain).train()
    trainer_of(classifier, callbacks=[L2SPCallback(classifier, 0.0)]).train()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in classifier.state_dict().items())


@pytest.mark.parametrize("accumulated", [1, 2])
def test_the_pull_comes_once_per_optimiser_step(classifier, trainer_of, accumulated):
    """With a gradient of 0 the distance to θ⁰ shrinks by 1 − η·α in each step, however many batches a step has."""
    callback = L2SPCallback(classifier, 2.0)
    with torch.no_grad():
        for parameter in classifier.encoder.parameters():
            parameter += 1.0
        classifier.classifier.weight.zero_()  # no gradient reaches the encoder …
    trainer = trainer_of(classifier, callbacks=[callback], max_steps=2, gradient_accumulation_steps=accumulated)
    classifier.classifier.requires_grad_(False)  # … and none ever will
    trainer.train()
    moved = dict(classifier.named_parameters())["encoder.stages.0.layers.0.conv.weight"]
    distance = moved - callback.start["encoder.stages.0.layers.0.conv.weight"]
    torch.testing.assert_close(distance, torch.full_like(distance, (1 - 0.1 * 2.0) ** 2))
