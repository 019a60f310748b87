"""The promises of a correct teacher, one process."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

from hf_selfdistill.data.callbacks import EpochCallback
from hf_selfdistill.self_distillation.loss import ClassificationLoss
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer


def assert_same(one, other, tolerance=0.0):
    assert one.keys() == other.keys()
    for name in one:
        difference = (one[name].double() - other[name].double()).abs().max().item()
        assert difference <= tolerance, f"{name} differs by {difference}"


def encoder_state(state):
    return {name: value for name, value in state.items() if not name.startswith("classifier.")}


def on_one_process(*promises):
    """Runs a test with each way of training on one process, and counts it for these promises."""
    ways = {
        "single": {},
        "accumulation": {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
        "bf16": {"bf16": True},
        "compile": {"torch_compile": True, "torch_compile_backend": "aot_eager"},
    }
    return pytest.mark.parametrize(
        "way",
        [
            pytest.param(settings, id=name, marks=[pytest.mark.promise(number, name) for number in promises])
            for name, settings in ways.items()
        ],
    )


class Watch(TrainerCallback):
    """Compares the teacher with the student at each step's begin."""

    def __init__(self, trainer, weights):
        self.trainer, self.weights = trainer, weights
        self.equal_at = []
        self.teachers = {}

    def on_step_begin(self, args, state, control, model, **kwargs):
        teacher = self.weights(self.trainer.teacher.encoder)
        student = encoder_state(self.weights(model))
        assert teacher.keys() == student.keys()
        if all(torch.equal(teacher[name], student[name]) for name in teacher):
            self.equal_at.append(state.global_step)
        self.teachers.setdefault(int(state.epoch), []).append(teacher)


@on_one_process(1)
def test_teacher_equals_the_student_at_an_epochs_first_step_buffers_included_and_rests_within_it(
    make_trainer, weights, way
):
    trainer = make_trainer(**way)
    watch = Watch(trainer, weights)
    trainer.add_callback(watch)
    trainer.train()
    assert watch.equal_at == [0, 3, 6]
    assert any("running_mean" in name for name in watch.teachers[0][0])
    for teachers in watch.teachers.values():
        assert len(teachers) == 3
        for teacher in teachers[1:]:
            assert_same(teachers[0], teacher)


@pytest.mark.parametrize("update", ["epoch", "steps", "ema", "frozen"])
def test_each_kind_of_teacher_is_at_every_step_what_its_formula_says(make_trainer, weights, update):
    students, teachers, names = [], [], set()

    class Note(TrainerCallback):
        def on_step_begin(self, args, state, control, model, **kwargs):
            names.update(name for name, _ in trainer.teacher.encoder.named_parameters())
            students.append(encoder_state(weights(model)))
            teachers.append(weights(trainer.teacher.encoder))

    steps = {"teacher_update_steps": 2} if update == "steps" else {}
    trainer = make_trainer(teacher_update=update, teacher_ema_decay=0.9, callbacks=[Note()], **steps)
    trainer.train()
    average = students[0]
    for step, (student, teacher) in enumerate(zip(students, teachers, strict=True)):
        if step:
            average = {k: 0.9 * average[k] + 0.1 * student[k] if k in names else student[k] for k in student}
        copied_at = {"epoch": step - step % 3, "steps": step - step % 2, "frozen": 0}
        if update == "ema":
            assert_same(teacher, average, 1e-6)
        else:
            assert_same(teacher, students[copied_at[update]])
    moved = [any(not torch.equal(one[name], students[0][name]) for name in names) for one in students]
    assert moved == [False] + [True] * 8


@pytest.mark.promise(1, "single")
def test_teacher_is_renewed_though_an_evaluation_left_the_student_in_eval_mode(make_trainer, random_clips, weights):
    trainer = make_trainer(eval_dataset=random_clips(4), eval_strategy="epoch")
    watch = Watch(trainer, weights)
    trainer.add_callback(watch)
    trainer.train()
    assert watch.equal_at == [0, 3, 6]


@on_one_process(2)
def test_without_weight_the_run_is_the_plain_trainers_bit_for_bit_and_has_no_teacher(
    make_trainer, tiny_classifier, random_clips, weights, tmp_path, way
):
    settings = {"per_device_train_batch_size": 4, "num_train_epochs": 2, "dataloader_drop_last": False, **way}
    trainer = make_trainer(length=14, distill_weight=0.0, **settings)
    trainer.train()
    arguments = {**settings, "optim": "sgd", "optim_args": "momentum=0.9", "learning_rate": 0.05}
    plain = Trainer(
        tiny_classifier(),
        TrainingArguments(
            str(tmp_path / "plain"),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            remove_unused_columns=False,
            **arguments,
        ),
        train_dataset=random_clips(14),
        # Under autocast the model's own loss would see the logits before they are float32 again.
        compute_loss_func=ClassificationLoss() if "bf16" in way else None,
    )
    plain.train()
    assert trainer.teacher is None
    assert_same(weights(trainer.model), weights(plain.model))


class Augmented(torch.utils.data.Dataset):
    """Clips with noise that depends on (seed, epoch, index), as TrainingClips draws it."""

    def __init__(self, clips):
        from hf_selfdistill.data.transforms import seeded_draws

        self.clips, self.seeded_draws = clips, seeded_draws
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch):
        self.epoch.fill_(epoch)

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        sample = self.clips[index]
        with self.seeded_draws(0, int(self.epoch), index):
            return {**sample, "pixel_values": sample["pixel_values"] + torch.randn(8, 3, 16, 16)}


@pytest.mark.promise(3, "single")
@pytest.mark.parametrize(
    ("update", "workers", "step"),
    [(update, 0, step) for update in ("epoch", "steps", "ema", "frozen") for step in (3, 4)] + [("epoch", 2, 4)],
)
def test_resumed_run_ends_as_the_uninterrupted_one_bit_for_bit(
    tiny_classifier, arguments, random_clips, weights, tmp_path, update, workers, step
):
    def run(folder, resume=None):
        clips = Augmented(random_clips(12))
        args = arguments(
            output_dir=str(tmp_path / folder),
            save_strategy="steps",
            save_steps=1,
            dataloader_num_workers=workers,
            teacher_update=update,
            teacher_update_steps=2 if update == "steps" else None,
            teacher_ema_decay=0.9,
        )
        trainer = SelfDistillationTrainer(
            tiny_classifier(), args, train_dataset=clips, callbacks=[EpochCallback(clips)]
        )
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    whole = run("whole")
    resumed = run("resumed", str(tmp_path / "whole" / f"checkpoint-{step}"))
    assert_same(weights(whole.model), weights(resumed.model))
    assert_same(weights(whole.teacher.encoder), weights(resumed.teacher.encoder))


@on_one_process(3)
def test_resuming_within_an_epoch_continues_bit_for_bit(make_trainer, weights, tmp_path, way):
    whole = make_trainer(save_strategy="steps", save_steps=1, **way)
    whole.train()
    resumed = make_trainer(output_dir=str(tmp_path / "resumed"), **way)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-4"))
    assert_same(weights(whole.model), weights(resumed.model))


def test_a_checkpoint_without_its_teacher_or_with_half_of_it_is_refused(make_trainer, tmp_path):
    trainer = make_trainer(save_strategy="steps", save_steps=2)
    trainer.train()
    checkpoint = tmp_path / "run" / "checkpoint-2"
    (checkpoint / "manifest.json").unlink()  # as an earlier version made it
    teacher = checkpoint / "teacher.safetensors"
    content = teacher.read_bytes()
    for broken, message in (
        (content[: len(content) // 2], r"teacher\.safetensors is damaged; resume from another"),
        (None, r"teacher can't be restored.*teacher\.safetensors.*resume from another"),
    ):
        teacher.unlink()
        if broken is not None:
            teacher.write_bytes(broken)
        with pytest.raises(ValueError, match=message):
            make_trainer(output_dir=str(tmp_path / "again")).train(resume_from_checkpoint=str(checkpoint))


@pytest.mark.promise(4, "accumulation")
@pytest.mark.parametrize("length", [8, 14], ids=["even", "ragged"])
@pytest.mark.parametrize("weight", [0.0, 10.0])
def test_one_batch_of_eight_equals_eight_accumulated_batches_of_one(
    make_trainer, tiny_classifier, weights, weight, length
):
    def run(size, accumulated):
        trainer = make_trainer(
            tiny_classifier(batch_norm=False).double(),
            length=length,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulated,
            distill_weight=weight,
            dataloader_drop_last=False,
            num_train_epochs=2,
        )
        trainer.train_dataset.clips = trainer.train_dataset.clips.double()
        trainer.train()
        return trainer

    one, eight = run(8, 1), run(1, 8)
    assert_same(weights(one.model), weights(eight.model), 1e-6)
    names = ["loss", "ce_loss", "feature_std", *(["distill_loss"] if weight else [])]
    for a, b in zip(one.state.log_history, eight.state.log_history, strict=True):
        if "ce_loss" in a:
            assert [a[name] for name in names] == pytest.approx([b[name] for name in names], rel=1e-4, abs=1e-6)


@pytest.mark.promise(7, "single")
def test_a_plain_loop_of_algorithm_1_gives_the_same_weights(make_trainer, tiny_classifier, random_clips, weights):
    weight, rate, epochs, size = 2.0, 0.05, 2, 4
    trainer = make_trainer(
        distill_weight=weight,
        num_train_epochs=epochs,
        lr_scheduler_type="constant",
        train_sampling_strategy="sequential",
    )
    trainer.train()

    set_seed(0)
    model = tiny_classifier().train()
    clips = random_clips(12)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    for _ in range(epochs):
        teacher = copy.deepcopy(model.base_model).requires_grad_(False).train()
        for start in range(0, 12, size):
            x, y = clips.clips[start : start + size], clips.labels[start : start + size]
            features = model.base_model(x).pooler_output
            target = teacher(x).pooler_output
            loss = F.cross_entropy(model.classifier(features), y) + weight * F.mse_loss(features, target)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    assert_same(weights(trainer.model), weights(model), 1e-6)


@on_one_process(4)
def test_logged_terms_are_means_over_the_clips_since_the_last_log(make_trainer, way):
    each = make_trainer(logging_steps=1, **way)
    each.train()
    third = make_trainer(logging_steps=3, **way)
    third.train()
    rows = [log for log in each.state.log_history if "ce_loss" in log]
    means = [log for log in third.state.log_history if "ce_loss" in log]
    assert len(rows) == 9 and len(means) == 3
    for i, mean in enumerate(means):
        for name in ("ce_loss", "distill_loss"):
            assert mean[name] == pytest.approx(sum(row[name] for row in rows[3 * i : 3 * i + 3]) / 3, rel=1e-5)
        assert mean["loss"] == pytest.approx(mean["ce_loss"] + mean["distill_loss"], rel=1e-5)
    assert rows[0]["distill_loss"] == 0.0 and rows[1]["distill_loss"] > 0


@pytest.mark.promise(6, "single")
def test_teacher_is_in_no_optimizer_and_in_no_saved_model(make_trainer, tmp_path):
    trainer = make_trainer()
    trainer.train()
    trainer.save_model()
    students = {id(p) for p in trainer.model.parameters()}
    assert {id(p) for group in trainer.optimizer.param_groups for p in group["params"]} == students
    saved = {file.name for file in Path(trainer.args.output_dir).iterdir()}
    assert "model.safetensors" in saved and "teacher.safetensors" not in saved


def test_another_model_can_teach_and_is_never_renewed(tiny_classifier, arguments, random_clips, weights):
    other = tiny_classifier()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.01)
    before = encoder_state(weights(other))
    trainer = SelfDistillationTrainer(
        tiny_classifier(), arguments(teacher_update="frozen"), train_dataset=random_clips(12), teacher_model=other
    )
    trainer.train()
    assert_same(weights(trainer.teacher.encoder), before)
    assert next(log["distill_loss"] for log in trainer.state.log_history if "ce_loss" in log) > 0


def test_a_teacher_with_features_of_another_size_is_refused_at_once(tiny_classifier, arguments):
    config = tiny_classifier().config.__class__(hidden_sizes=[4, 8, 8, 8, 6], num_frames=8, image_size=16)
    with pytest.raises(ValueError, match="6 dimensions and the student's 8"):
        SelfDistillationTrainer(
            tiny_classifier(), arguments(teacher_update="frozen"), teacher_model=type(tiny_classifier())(config)
        )


@pytest.mark.parametrize("wrong", [{"teacher_update": "epoch"}, {"teacher_update": "frozen", "distill_weight": 0.0}])
def test_a_teacher_model_that_would_be_ignored_is_refused(tiny_classifier, arguments, wrong):
    with pytest.raises(ValueError, match="`teacher_model` is never renewed and needs a weight"):
        SelfDistillationTrainer(tiny_classifier(), arguments(**wrong), teacher_model=tiny_classifier())


@on_one_process(6)
def test_the_distance_is_exactly_zero_at_equal_weights(make_trainer, way):
    trainer = make_trainer(**{**way, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 1})
    trainer.train()
    logs = [log for log in trainer.state.log_history if "distill_loss" in log]
    assert [logs[i]["distill_loss"] for i in (0, 3, 6)] == [0.0, 0.0, 0.0]
    assert all(log["distill_loss"] > 0 for i, log in enumerate(logs) if i % 3)


def test_a_renewal_does_not_recompile(make_trainer):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    trainer = make_trainer(torch_compile=True, torch_compile_backend="aot_eager", num_train_epochs=4)
    trainer.train()
    # One graph for the student in training and one for the teacher.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2


def test_a_model_without_a_classifier_is_refused(make_trainer):
    with pytest.raises(ValueError, match="no layer named `classifier`"):
        make_trainer(torch.nn.Sequential(torch.nn.Linear(2, 2)))
