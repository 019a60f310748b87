"""What the plain Trainer takes: labels, outputs, models, checkpoints."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from transformers import Trainer

from hf_selfdistill import C3DConfig, C3DForVideoClassification
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer

CLASSES = 3
LABELS = {
    "single_label_classification": torch.rand(12, CLASSES, generator=torch.Generator().manual_seed(1)).softmax(1),
    "multi_label_classification": (torch.arange(12 * CLASSES).view(12, CLASSES) % 2).float(),
    "regression": torch.linspace(-1, 1, 12 * CLASSES).view(12, CLASSES),
}


def model(**settings):
    torch.manual_seed(0)
    sizes = {"hidden_sizes": [4, 8, 8, 8, 8], "num_frames": 8, "image_size": 16, "num_labels": CLASSES}
    return C3DForVideoClassification(C3DConfig(**sizes, **settings))


def clips_with(labels):
    clips = torch.randn(len(labels), 8, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    return [{"pixel_values": clip, "labels": label} for clip, label in zip(clips, labels, strict=True)]


@pytest.fixture
def train(arguments):
    def run(net, clips, trainer_class=SelfDistillationTrainer, **settings):
        trainer = trainer_class(
            net, arguments(**{"num_train_epochs": 1, **settings}), train_dataset=clips, eval_dataset=clips
        )
        trainer.train()
        return trainer

    return run


def assert_same(one, other):
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def logged(trainer, name):
    return [log[name] for log in trainer.state.log_history if name in log]


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize(
    "batches", [{}, {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}], ids=["one", "accumulated"]
)
def test_labels_as_floats_train_as_under_the_plain_trainer(train, kind, batches):
    clips, batches = clips_with(LABELS[kind]), {**batches, "dataloader_drop_last": False}
    plain = train(model(problem_type=kind), clips, Trainer, distill_weight=0, **batches)
    mine = train(model(problem_type=kind), clips, distill_weight=0, **batches)
    assert_same(plain.model, mine.model)
    assert logged(mine, "ce_loss") == pytest.approx(logged(plain, "loss"), abs=1e-4)
    assert mine.evaluate()["eval_loss"] == pytest.approx(plain.evaluate()["eval_loss"], abs=1e-6)


def test_one_number_per_clip_is_regression(train):
    net = {"num_labels": 1, "problem_type": "regression"}
    sizes = {"hidden_sizes": [4, 8, 8, 8, 8], "num_frames": 8, "image_size": 16}
    trainers = []
    for kind in (Trainer, SelfDistillationTrainer):
        torch.manual_seed(0)
        one = C3DForVideoClassification(C3DConfig(**sizes, **net))
        trainers.append(train(one, clips_with(torch.linspace(0, 1, 8)), kind, distill_weight=0))
    assert_same(trainers[0].model, trainers[1].model)


def test_with_float_labels_the_distance_is_scaled_as_the_loss(train, arguments):
    batches = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    trainer = train(model(), clips_with(LABELS["single_label_classification"]), teacher_update="frozen", **batches)
    sums = [a + b for a, b in zip(logged(trainer, "ce_loss"), logged(trainer, "distill_loss"), strict=True)]
    assert logged(trainer, "loss") == pytest.approx(sums, rel=1e-5)
    assert logged(trainer, "distill_loss")[-1] > 0


@pytest.mark.parametrize("kind", ["tuple", "dict"])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_models_that_give_tuples_or_dicts_train_and_evaluate_as_others(train, kind, weight):
    class Other(C3DForVideoClassification):
        def forward(self, pixel_values, labels=None):
            outputs = super().forward(pixel_values, labels)
            return outputs.to_tuple() if kind == "tuple" else dict(outputs)

    clips = clips_with(torch.arange(8) % CLASSES)
    expected = train(model(), clips, distill_weight=weight)
    other = Other(model().config)
    other.load_state_dict(model().state_dict())
    found = train(other, clips, distill_weight=weight)
    assert_same(expected.model, found.model)
    theirs, ours = expected.predict(clips), found.predict(clips)
    assert (ours.predictions == theirs.predictions).all() and ours.predictions.shape == (8, CLASSES)
    assert ours.metrics["test_loss"] == theirs.metrics["test_loss"]


def test_the_logged_terms_are_means_over_labelled_clips_and_over_all_clips(train):
    """Batches of 2, 2 | 2, 2 clips, of which 1, 2 | 0, 1 have a label."""
    clips = clips_with(torch.tensor([0, -100, 1, 2, -100, -100, 1, -100]))
    settings = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "learning_rate": 0.0}
    net = model(return_dict=True)
    trainer = train(
        net, clips, teacher_update="frozen", train_sampling_strategy="sequential", **settings, teacher_norm="running"
    )
    reference, batches = (
        model(),
        [torch.stack([clip["pixel_values"] for clip in clips[i : i + 2]]) for i in range(0, 8, 2)],
    )
    labels = [torch.stack([clip["labels"] for clip in clips[i : i + 2]]) for i in range(0, 8, 2)]
    terms = [
        (F.cross_entropy(reference(batch).logits, label, reduction="sum").item(), label.ne(-100).sum().item())
        for batch, label in zip(batches, labels, strict=True)
    ]
    expected = [(a[0] + b[0]) / (a[1] + b[1]) for a, b in (terms[:2], terms[2:])]
    assert logged(trainer, "ce_loss") == pytest.approx(expected, rel=1e-4)
    sums = [a + b for a, b in zip(logged(trainer, "ce_loss"), logged(trainer, "distill_loss"), strict=True)]
    assert logged(trainer, "loss") == pytest.approx(sums, rel=1e-4)
    assert all(distance > 0 for distance in logged(trainer, "distill_loss"))


def test_labels_in_a_column_may_be_missing_too(train):
    flat = torch.tensor([0, -100, 1, 2, -100, 1, 1, -100])
    one, column = (train(model(), clips_with(labels)) for labels in (flat, flat[:, None]))
    assert logged(one, "ce_loss") == logged(column, "ce_loss")


def test_mixed_clips_are_the_same_for_teacher_and_student(train):
    seen = []
    net, clips = model(), clips_with(torch.tensor([0, 1, 2, -100] * 2))
    trainer = train(net, clips, mixup_alpha=1.0, num_train_epochs=2)
    for module in (trainer.model, trainer.teacher.encoder):
        module.register_forward_pre_hook(lambda _, __, inputs: seen.append(inputs["pixel_values"]), with_kwargs=True)
    batch = trainer.data_collator(clips[:4])
    trainer.training_step(trainer.model, batch, torch.tensor(3))
    student, teacher = seen
    assert type(student) is torch.Tensor and torch.equal(student, teacher)
    assert not torch.equal(student, batch["pixel_values"])
    assert all(torch.tensor(logged(trainer, name)).isfinite().all() for name in ("loss", "ce_loss", "distill_loss"))


def test_a_run_on_mixed_clips_that_resumes_ends_as_the_uninterrupted_one(arguments, tmp_path):
    clips = clips_with(torch.arange(12) % CLASSES)
    models = []
    for folder, checkpoint in (("whole", None), ("resumed", str(tmp_path / "whole" / "checkpoint-4"))):
        args = arguments(output_dir=str(tmp_path / folder), mixup_alpha=0.8, save_strategy="steps", save_steps=1)
        trainer = SelfDistillationTrainer(model(), args, train_dataset=clips)
        trainer.train(resume_from_checkpoint=checkpoint)
        models.append(trainer.model)
    assert_same(*models)


def test_labels_as_floats_are_not_mixed(train):
    with pytest.raises(ValueError, match="`mixup_alpha` is 1, which mixes clips of one class each"):
        train(model(), clips_with(LABELS["regression"]), mixup_alpha=1.0)


def test_an_attempt_with_a_smaller_batch_starts_from_the_first_weights_and_logs_only_itself(train, arguments):
    class OutOfMemory(SelfDistillationTrainer):
        def training_step(self, *args, **kwargs):
            if self._train_batch_size == 4 and self.state.global_step == 2:
                raise RuntimeError("CUDA out of memory.")
            return super().training_step(*args, **kwargs)

    clips = clips_with(torch.arange(12) % CLASSES)
    settings = {"logging_steps": 4, "learning_rate": 0.01}
    found = train(model(), clips, OutOfMemory, auto_find_batch_size=True, **settings)
    expected = train(model(), clips, per_device_train_batch_size=3, **settings)
    assert found.state.train_batch_size == 3
    for name in ("loss", "ce_loss", "distill_loss"):
        assert logged(found, name) == logged(expected, name)
    assert_same(found.model, expected.model)


def test_a_checkpoint_that_is_not_there_is_not_looked_up_on_the_hub(arguments):
    trainer = SelfDistillationTrainer(model(), arguments(), train_dataset=clips_with(torch.arange(8) % CLASSES))
    with pytest.raises(ValueError, match="no/checkpoint-7 is not a whole checkpoint"):
        trainer.train(resume_from_checkpoint="no/checkpoint-7")
