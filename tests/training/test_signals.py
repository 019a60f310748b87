import os
import signal

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from hf_selfdistill.cli import finetune
from hf_selfdistill.self_distillation.trainer import SelfDistillationTrainer
from hf_selfdistill.training.record import RunRecord
from hf_selfdistill.training.trainer import VideoTrainer


@pytest.fixture
def signal_in_step(monkeypatch):
    """Let a signal arrive within the steps with these numbers, from 1."""
    compute_loss = SelfDistillationTrainer.compute_loss

    def arrange(number, steps):
        def interrupted(trainer, model, *args, **kwargs):
            if model.training and trainer.state.global_step + 1 in steps:
                steps.remove(trainer.state.global_step + 1)
                os.kill(os.getpid(), number)
            return compute_loss(trainer, model, *args, **kwargs)

        monkeypatch.setattr(SelfDistillationTrainer, "compute_loss", interrupted)

    return arrange


FLAGS = {"save_strategy": "no", "eval_strategy": "epoch", "num_train_epochs": 2}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_a_checkpoint_and_the_same_command_ends_in_the_same_model(
    shapes, tiny_flags, tmp_path, signal_in_step, number, caplog
):
    before = signal.getsignal(number)
    finetune.main(tiny_flags(shapes, tmp_path / "whole", **FLAGS))
    steps = RunRecord.load(tmp_path / "whole").progress["max_steps"]
    signal_in_step(number, [2, steps // 2])  # within an epoch, and in its last step
    out = tmp_path / "out"
    for step in (2, steps // 2):
        with pytest.raises(SystemExit) as stopped:
            finetune.main(tiny_flags(shapes, out, **FLAGS))
        assert stopped.value.code == 128 + number
        assert (out / f"checkpoint-{step}" / "manifest.json").is_file()
        assert RunRecord.load(out).status == "interrupted" and not (out / "all_results.json").exists()
        assert f"stopped after checkpoint-{step}; the same command continues the run" in caplog.text
        assert signal.getsignal(number) is before
    finetune.main(tiny_flags(shapes, out, **FLAGS))
    whole, resumed = (load_file(folder / "model.safetensors") for folder in (tmp_path / "whole", out))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_second_run_into_a_folder_is_refused(shapes, tiny_flags, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / "_run.lock"), pytest.raises(SystemExit, match=r"error: --output_dir .* is in use by another"):
        finetune.main(tiny_flags(shapes, out))
    assert not (out / "run.json").exists()


def test_a_loss_that_is_not_finite_ends_the_run_before_it_writes_a_checkpoint(
    shapes, tiny_flags, tmp_path, monkeypatch
):
    compute_loss = SelfDistillationTrainer.compute_loss

    def diverge(trainer, *args, **kwargs):
        return compute_loss(trainer, *args, **kwargs) * (float("nan") if trainer.state.global_step == 2 else 1)

    monkeypatch.setattr(SelfDistillationTrainer, "compute_loss", diverge)
    monkeypatch.setattr(VideoTrainer, "evaluate", lambda *a, **k: {})
    flags = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 1}
    out = tmp_path / "out"
    with pytest.raises(SystemExit, match=r"error: The loss is not finite at step 3: .*set --on_nan warn"):
        finetune.main(tiny_flags(shapes, out, **flags))
    assert [folder.name for folder in out.glob("checkpoint-*")] == ["checkpoint-2"]
    finetune.main(tiny_flags(shapes, tmp_path / "warned", **flags, on_nan="warn"))
    assert "NaN" not in (tmp_path / "warned" / "run.json").read_text()


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "seed"])
def test_what_a_checkpoint_decides_can_not_be_changed_in_a_resumed_run(
    shapes, tiny_flags, tmp_path, signal_in_step, name
):
    signal_in_step(signal.SIGTERM, [2])
    with pytest.raises(SystemExit):
        finetune.main(tiny_flags(shapes, tmp_path, **FLAGS))
    with pytest.raises(SystemExit, match=rf"error: --{name} is .* has no effect on a resumed run"):
        finetune.main(tiny_flags(shapes, tmp_path, **FLAGS | {name: 3}))
