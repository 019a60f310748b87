from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from hf_selfdistill.cli import finetune
from hf_selfdistill.regularizers.arguments import REGULARIZERS

RIVALS = [name for name in REGULARIZERS if name != "self_distillation"]


def weights(folder):
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("regularizer", RIVALS)
def test_a_resumed_run_of_every_rival_is_the_same_run(shapes, tiny_flags, tmp_path, regularizer):
    settings = {"regularizer": regularizer, "distill_weight": None, "save_strategy": "steps", "save_steps": 3}
    settings["save_total_limit"] = 100
    finetune.main(tiny_flags(shapes, tmp_path / "whole", **settings))
    checkpoint = tmp_path / "whole" / "checkpoint-6"
    finetune.main(tiny_flags(shapes, tmp_path / "resumed", resume_from_checkpoint=checkpoint, **settings))
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "resumed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_rivals_log_the_same_terms_and_tell_their_card(shapes, tiny_flags, tmp_path):
    finetune.main(tiny_flags(shapes, tmp_path, regularizer="l2_sp", distill_weight=None, l2_sp_weight=0.25))
    logged = json.loads((tmp_path / "trainer_state.json").read_text())["log_history"]
    assert any({"ce_loss", "feature_std"} <= row.keys() for row in logged)
    assert not any("distill_loss" in row for row in logged)
    assert "α = 0.25 on the encoder" in (tmp_path / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("regularizer", ["l2_sp", "lp_ft", "ps_kd", "ema", "wise_ft"])
def test_rivals_run_on_two_processes(shapes, tiny_flags, tmp_path, run_script, regularizer):
    settings = {"regularizer": regularizer, "distill_weight": None, "num_train_epochs": 2, "save_strategy": "no"}
    finished = run_script("finetune", *tiny_flags(shapes, tmp_path / "out", **settings), processes=2)
    assert finished.returncode == 0, finished.stderr
    assert json.loads((tmp_path / "out" / "trainer_state.json").read_text())["max_steps"] == 4  # 15 videos, 8 a step
    assert (tmp_path / "out" / "averages" / "0.9" / "config.json").is_file() == (regularizer == "wise_ft")


def test_a_rival_takes_a_recipe_for_self_distillation_and_says_that_lambda_is_not_used(
    shapes, tiny_flags, tmp_path, caplog
):
    with caplog.at_level("INFO"):
        finetune.main(tiny_flags(shapes, tmp_path / "out", regularizer="l2_sp", max_steps=1, epoch_lr_schedule=None))
    assert "`distill_weight` is not used with `regularizer` l2_sp" in caplog.text
    state = json.loads((tmp_path / "out" / "trainer_state.json").read_text())
    assert not any("distill_loss" in entry for entry in state["log_history"])
