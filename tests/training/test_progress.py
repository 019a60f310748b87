"""The table that a run prints: one row per epoch."""

from __future__ import annotations

import re

import pytest
import torch
from transformers import TrainerState

from hf_selfdistill import C3DConfig, C3DForVideoClassification, SelfDistillationArguments, SelfDistillationTrainer
from hf_selfdistill.training.progress import EpochTable

CONFIG = C3DConfig(hidden_sizes=[4, 8, 8, 8, 8], num_frames=8, image_size=16, num_labels=2)


class Clips(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return {"pixel_values": torch.randn(8, 3, 16, 16, generator=generator), "labels": index % 2}


@pytest.fixture
def printed(tmp_path, capsys):
    def train(**arguments):
        args = SelfDistillationArguments(
            str(tmp_path),
            per_device_train_batch_size=2,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            **{"logging_steps": 1, "num_train_epochs": 2, **arguments},
        )
        trainer = SelfDistillationTrainer(
            C3DForVideoClassification(CONFIG), args, train_dataset=Clips(), eval_dataset=Clips()
        )
        trainer.train()
        return capsys.readouterr(), trainer.state.log_history

    return train


def test_a_row_holds_the_means_of_its_epoch_and_the_time_left(printed):
    (out, err), history = printed(eval_strategy="epoch")
    header, *rows = out.splitlines()
    assert header.split() == ["epoch", "left", "loss", "ce_loss", "distill_loss", "eval_loss"] and err == ""
    assert len(rows) == 2
    for epoch, row in enumerate(rows, start=1):
        of_epoch = [log for log in history if epoch - 1 < log["epoch"] <= epoch]
        losses = [log["loss"] for log in of_epoch if "loss" in log]
        (validation,) = [log["eval_loss"] for log in of_epoch if "eval_loss" in log]
        cells = row.split()
        assert cells[0] == f"{epoch}/2" and re.fullmatch(r"\d+:\d\d:\d\d", cells[1])
        assert cells[2] == f"{sum(losses) / len(losses):.4g}" and cells[5] == f"{validation:.4g}"


def test_a_column_that_comes_later_repeats_the_header_and_an_epoch_without_a_value_has_a_dash(printed):
    (out, _), _ = printed(eval_strategy="epoch", logging_steps=3, num_train_epochs=4)
    lines = [line.split() for line in out.splitlines()]
    assert [line[0] for line in lines] == ["epoch", "1/4", "epoch", "2/4", "3/4", "4/4"]
    assert lines[0] == ["epoch", "left", "eval_loss"] and lines[2][:4] == ["epoch", "left", "eval_loss", "loss"]
    assert ["–" in line for line in lines] == [False, False, False, False, False, True]


def test_a_row_has_the_last_validation_of_its_epoch_and_retention_as_one_column(capsys):
    table, state = EpochTable(bars=False), TrainerState(max_steps=2, num_train_epochs=1)
    table.on_train_begin(None, state, None)
    for retention in (1.0, 0.4):
        logs = {"eval_retention": retention, "eval_retention_low": 0.1, "eval_retention_knn": 0.5}
        table.on_log(None, state, None, {**logs, "eval_reference_linear_probe_top1": 0.7})
    state.epoch, state.global_step = 1.0, 2
    table.on_epoch_end(None, state, None)
    table.on_train_end(None, state, None)
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["epoch", "left", "eval_retention"] and row.split()[2] == "0.4"


def test_raw_prints_what_transformers_prints(printed):
    (out, _), _ = printed(log_format="raw", disable_tqdm=True)
    assert out.count("'loss':") == 4 and "left" not in out


def test_on_a_terminal_it_has_a_bar(printed, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    (out, err), _ = printed()
    assert "100%" in err and len(out.splitlines()) == 3


def test_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`log_format` is 'csv'"):
        SelfDistillationArguments(str(tmp_path), log_format="csv")
