import pytest
import torch

from hf_selfdistill.self_distillation.variance import SCALE_NAME

PER_CLIP = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4}


def scaled(make_trainer, **settings):
    return make_trainer(distill_scale="variance", **settings)


def watched(trainer):
    """Notes the teacher's features of each batch with the step, and the variance that the batch is given."""
    batches, variances, observe = [], [], trainer.variance.observe

    def note(features):
        batches.append((trainer.state.global_step, features.double()))
        variances.append(observe(features).item())
        return torch.tensor(variances[-1])

    trainer.variance.observe = note
    return batches, variances


@pytest.mark.parametrize("way", [{}, {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}])
def test_the_variance_is_the_weighted_one_of_all_clips_of_earlier_steps(make_trainer, way):
    trainer = scaled(make_trainer, **way)
    batches, variances = watched(trainer)
    trainer.train()
    assert variances[0] == float("inf")
    for (step, _), variance in zip(batches, variances, strict=True):
        earlier = [(0.9 ** (step - 1 - at), row) for at, features in batches if at < step for row in features]
        if earlier:
            weights = torch.tensor([weight for weight, _ in earlier], dtype=torch.float64)[:, None]
            rows = torch.stack([row for _, row in earlier])
            centred = rows - (weights * rows).sum(0) / weights.sum()
            expected = (weights * centred.square()).sum() / rows.shape[1] / (weights.sum() - 1)
            assert variance == pytest.approx(expected.item(), rel=1e-5)


def test_two_different_clips_are_at_a_distance_of_2(make_trainer):
    trainer = scaled(make_trainer, length=400, per_device_train_batch_size=400, max_steps=1)
    trainer.train()
    features = torch.randn(400, 8) * torch.arange(1, 9) + 3
    trainer.variance._moments = None
    trainer.variance.observe(features)
    trainer.variance.on_step_end(trainer.args, trainer.state, trainer.control)
    apart = (features[:200] - features[200:]).square().mean() / trainer.variance.observe(features)
    assert apart.item() == pytest.approx(2, rel=0.15)


def test_features_of_another_size_have_the_same_distance(make_trainer):
    """Features, teacher and head in proportion: the unscaled distance is 100 times as large, the scaled one equal."""
    logs = {}
    for factor in (1.0, 10.0):
        trainer = scaled(make_trainer, teacher_update="frozen", learning_rate=0.0, num_train_epochs=1)
        trainer.variance.on_train_begin(trainer.args, trainer.state, trainer.control)
        for features in torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0)):
            variance = trainer.variance.observe(factor * features)
            trainer.variance.on_step_end(trainer.args, trainer.state, trainer.control)
            logs[factor] = ((factor * features - factor).square().mean() / variance).item()
    assert logs[10.0] == pytest.approx(logs[1.0], rel=1e-5)


def test_accumulated_batches_of_one_clip_give_the_steps_of_whole_batches(make_trainer, tiny_classifier, weights):
    def run(**way):
        trainer = scaled(make_trainer, model=tiny_classifier(batch_norm=False).double(), distill_weight=3.0, **way)
        trainer.train_dataset.clips = trainer.train_dataset.clips.double()
        trainer.train()
        return weights(trainer.model), [log["distill_loss"] for log in trainer.state.log_history if "ce_loss" in log]

    (whole, distances), (parts, same) = run(), run(**PER_CLIP)
    assert max((whole[name] - parts[name]).abs().max().item() for name in whole) < 1e-6
    assert distances == pytest.approx(same, rel=1e-4) and distances[0] == 0 and max(distances) > 1e-3


@pytest.mark.parametrize("step", [3, 4])
def test_a_resumed_run_is_the_same_run_bit_for_bit(make_trainer, weights, tmp_path, step):
    whole = scaled(make_trainer, save_strategy="steps", save_steps=1)
    whole.train()
    resumed = scaled(make_trainer, output_dir=str(tmp_path / "resumed"))
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / f"checkpoint-{step}"))
    one, other = weights(whole.model), weights(resumed.model)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_without_the_variance_is_refused(make_trainer, tmp_path):
    make_trainer(save_strategy="steps", save_steps=2).train()
    resumed = scaled(make_trainer, output_dir=str(tmp_path / "again"))
    with pytest.raises(ValueError, match=rf"`distill_scale` can't be restored.*{SCALE_NAME}.*resume from another"):
        resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))


def test_without_a_teacher_there_is_no_variance(make_trainer):
    assert scaled(make_trainer, distill_weight=0.0).variance is None
