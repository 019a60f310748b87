import pytest

from hf_selfdistill.self_distillation.schedule import weight_factor


@pytest.mark.parametrize(
    ("name", "expected"),
    [("constant", [1, 1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0.25, 0]), ("cosine", [1, 0.853553, 0.5, 0.146447, 0])],
)
def test_the_weight_fades_as_its_schedule_says(name, expected):
    assert [weight_factor(name, i / 4) for i in range(5)] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["constant", "cosine"])
def test_a_step_outside_of_a_run_has_the_full_weight(make_trainer, name):
    trainer = make_trainer(distill_weight=3.0, distill_weight_schedule=name)
    sample = trainer.train_dataset[0]
    batch = {"pixel_values": sample["pixel_values"][None].repeat(2, 1, 1, 1, 1), "labels": sample["labels"].repeat(2)}
    assert trainer.training_step(trainer.model, batch, num_items_in_batch=2).isfinite()
    assert trainer.distill_weight == 3.0


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_the_trainer_weighs_the_distance_by_the_schedule_and_logs_the_weight(make_trainer, name):
    trainer = make_trainer(distill_weight=3.0, distill_weight_schedule=name)
    trainer.train()
    logs = [log for log in trainer.state.log_history if "ce_loss" in log]
    for step, log in enumerate(logs):
        weight = 3.0 * weight_factor(name, step / 9)
        assert log["loss"] == pytest.approx(log["ce_loss"] + weight * log["distill_loss"], rel=1e-5)
        assert log["distill_weight"] == pytest.approx(3.0 * weight_factor(name, (step + 1) / 9))
