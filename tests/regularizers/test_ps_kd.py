from __future__ import annotations

import copy

import torch
from torch.nn import functional as F

from hf_selfdistill.regularizers.ps_kd import PastTargetsCallback

EPOCHS, WEIGHT, RATE = 3, 0.6, 0.1


def cross_entropy(outputs, labels, num_items_in_batch):
    return F.cross_entropy(outputs.logits, labels, reduction="sum") / num_items_in_batch


def distilled(trainer_of, model, folder="out", weight=WEIGHT, resume=None, **settings):
    trainer = trainer_of(model, folder, num_train_epochs=EPOCHS, **settings)
    trainer.compute_loss_func = cross_entropy
    trainer.add_callback(PastTargetsCallback(trainer, weight))
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def by_the_formula(model, batches):
    """Plain gradient descent on the cross-entropy with (1 − α_t)·y + α_t·p', with one batch per row of an epoch."""
    teacher = None
    for epoch, of_epoch in enumerate(batches, start=1):
        for batch in of_epoch:
            targets = F.one_hot(batch["labels"], 2).float()
            if teacher is not None:
                alpha = WEIGHT * epoch / EPOCHS
                with torch.no_grad():
                    targets = (1 - alpha) * targets + alpha * teacher(batch["pixel_values"]).logits.softmax(1)
            log_p = model(batch["pixel_values"]).logits.log_softmax(1)
            model.zero_grad()
            (-(targets * log_p).sum(1).mean()).backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= RATE * parameter.grad
        teacher = copy.deepcopy(model).eval()
    return model


def test_its_steps_are_those_of_the_formula(classifier, trainer_of, clips):
    expected = copy.deepcopy(classifier).train()
    distilled(trainer_of, classifier, per_device_train_batch_size=8, train_sampling_strategy="sequential")
    batch = {name: torch.stack([torch.as_tensor(clips[i][name]) for i in range(8)]) for name in clips[0]}
    by_the_formula(expected, [[batch]] * EPOCHS)
    for name, value in classifier.state_dict().items():
        torch.testing.assert_close(value, expected.state_dict()[name], rtol=1e-4, atol=1e-5, msg=name)


def test_weight_0_changes_nothing_and_a_weight_does(classifier, trainer_of):
    plain, soft = copy.deepcopy(classifier), copy.deepcopy(classifier)
    distilled(trainer_of, soft)
    distilled(trainer_of, plain, weight=0.0)
    trainer = trainer_of(classifier, num_train_epochs=EPOCHS)
    trainer.compute_loss_func = cross_entropy
    trainer.train()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in classifier.state_dict().items())
    assert not torch.equal(soft.classifier.weight, plain.classifier.weight)


def test_a_run_resumed_within_an_epoch_is_the_same_run(classifier, trainer_of, tmp_path):
    again = copy.deepcopy(classifier)
    distilled(trainer_of, classifier, save_strategy="steps", save_steps=1)
    distilled(trainer_of, again, "again", resume=str(tmp_path / "out" / "checkpoint-3"))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in classifier.state_dict().items())


def test_a_clip_without_a_label_counts_nothing(classifier, trainer_of):
    trainer = trainer_of(classifier)
    callback = PastTargetsCallback(trainer, WEIGHT)
    seen = []
    callback.loss = lambda outputs, labels, num_items_in_batch: seen.append(labels)
    trainer.state.epoch, trainer.state.num_train_epochs = 1.5, EPOCHS
    callback.past = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    callback.compute_loss(None, torch.tensor([0, -100]), 1)
    alpha = WEIGHT * 2 / EPOCHS
    torch.testing.assert_close(seen[0], torch.tensor([[1 - alpha + alpha * 0.25, alpha * 0.75], [0.0, 0.0]]))
