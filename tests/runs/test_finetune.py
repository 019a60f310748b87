import pytest

from hf_selfdistill.cli import finetune as command
from hf_selfdistill.runs.configs import FinetuneConfig
from hf_selfdistill.runs.finetune import build_trainer, finetune
from hf_selfdistill.training.record import RunRecord


@pytest.fixture
def values(shapes, tmp_path):
    return {
        "model_name_or_path": "c3d",
        "config_overrides": "hidden_sizes=4,8,8,8,8,num_frames=8,image_size=16",
        "dataset": "moving_shapes",
        "dataset_root": str(shapes),
        "output_dir": str(tmp_path / "out"),
        "max_steps": 1,
        "per_device_train_batch_size": 4,
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
    }


def test_both_doors_leave_the_same_record(values, tmp_path):
    mine = finetune(FinetuneConfig(**values))
    written = RunRecord.load(tmp_path / "out")
    assert mine.status == "finished" and mine.identity == FinetuneConfig(**values).identity() == written.identity
    (tmp_path / "out" / "model.safetensors").unlink()
    command.main([word for name, value in values.items() for word in (f"--{name}", str(value))])
    theirs = RunRecord.load(tmp_path / "out")
    for name in ("task", "config", "identity", "inputs", "software", "model", "description", "weights", "card"):
        assert getattr(theirs, name) == getattr(written, name), name


def test_a_class_that_a_part_lacks_is_named(values, shapes, tmp_path, caplog):
    rows = (shapes / "moving_shapes.csv").read_text().splitlines()
    lists = tmp_path / "list.csv"
    lists.write_text("\n".join(row for row in rows if not (row.endswith("test") and "moving_up" in row)))
    finetune(FinetuneConfig(**{**values, "dataset": "csv", "annotations": str(lists)}))
    assert "No test video of moving_up" in caplog.text


@pytest.mark.parametrize(("weight", "warned"), [(10, True), (0, False)])
def test_random_weights_switch_self_distillation_off_with_a_warning(values, caplog, weight, warned):
    trainer = build_trainer(FinetuneConfig(**values, distill_weight=weight))
    assert trainer.teacher is None and trainer.args.distill_weight == 0
    assert (
        "c3d has random weights, which are not worth keeping: `distill_weight` is set to 0" in caplog.text
    ) == warned


def test_the_record_keeps_the_warnings_of_the_run(values, fine_tuned, tmp_path):
    steps = {"teacher_update": "steps", "teacher_update_steps": 1, "max_steps": 2, "config_overrides": None}
    finetune(FinetuneConfig(**{**values, **steps, "model_name_or_path": str(fine_tuned)}))
    (teacher,) = RunRecord.load(tmp_path / "out").warnings
    assert "the teacher always equals the student" in teacher


def test_a_negative_number_of_epochs_is_refused(values):
    with pytest.raises(ValueError, match="`num_train_epochs` is -1; it must be 0 or positive"):
        FinetuneConfig(**values, num_train_epochs=-1)
