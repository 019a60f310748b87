from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from typing import Literal

import pytest
import torch
from transformers import TrainingArguments

from hf_selfdistill.commands import evaluate_model, finetune, pretrain
from hf_selfdistill.cli.parser import CommandParser, exactly, expanded, fit_workers, flags_among, user_errors


@dataclass
class Toy:
    """Toy things."""

    name: str = field(metadata={"help": "Of the toy."})
    sizes: list[int] = field(default_factory=lambda: [1], metadata={"help": "Of its parts."})
    fast: bool = field(default=False, metadata={"help": "Whether it runs."})
    kind: Literal["ball", "kite", "car", "doll", "bear", "boat"] = field(
        default="ball", metadata={"help": f"What it is. {'It can be many things. ' * 8}But it is one of"}
    )
    parts: list[str] = field(default_factory=list, metadata={"help": "Of it."})


@pytest.fixture
def parser():
    return CommandParser(
        Toy, TrainingArguments, description="Play.", defaults={"logging_steps": 7}, most_used=["learning_rate"]
    )


def test_flags_win_over_the_file_and_the_file_over_defaults(parser, tmp_path):
    config = tmp_path / "toy.yaml"
    config.write_text(
        "name: ball\nsizes: [2, 3]\nfast: true\nlearning_rate: 1.0e-3\nlr_scheduler_kwargs: {a: 1}\nseed:\n"
    )
    toy, args = parser.parse(["--config", str(config), "--name", "kite", "--output_dir", str(tmp_path)])
    assert (toy.name, toy.sizes, toy.fast) == ("kite", [2, 3], True)
    assert (args.learning_rate, args.logging_steps, args.seed) == (1e-3, 7, 42)
    assert args.lr_scheduler_kwargs == {"a": 1}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--name", "x", "--colour", "red"], "unrecognized arguments: --colour red"),
        (["--name", "x", "--nane", "y"], "unrecognized arguments: --nane y (did you mean --name?)"),
        ([], "the following arguments are required: --name"),
        (["--name", "x", "--sizes", "big"], "argument --sizes: invalid int value: 'big'"),
        (["--name", "x", "--config", "none.yaml"], "--config none.yaml: no such file"),
        (
            ["--name", "x", "--use_cpu", "true", "--bf16", "true", "--fp16", "true"],
            "At most one of fp16 and bf16 can be True",
        ),
    ],
)
def test_a_wrong_argument_gives_one_line_and_exit_code_2(parser, capsys, argv, message):
    with pytest.raises(SystemExit) as stopped:
        parser.parse(argv)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "message"), [("a: [1", "not YAML"), ("just words", "expected lines of `flag: value`")]
)
def test_a_broken_config_file_is_named(parser, capsys, tmp_path, content, message):
    config = tmp_path / "broken.yaml"
    config.write_text(content)
    with pytest.raises(SystemExit):
        parser.parse(["--name", "x", "--config", str(config)])
    error = capsys.readouterr().err
    assert "broken.yaml" in error and message in error and error.count("\n") == 1


def test_help_shows_own_flags_in_full_and_of_the_trainers_the_most_used(parser):
    text = parser.format_help()
    assert "Toy things:" in text and "Of the toy (required)" in text
    assert "--learning_rate" in text and "--torchdynamo" not in text
    assert len(text.splitlines()) < 60


@pytest.mark.parametrize("columns", [40, 80, 100, 300])
def test_help_is_whole_and_as_wide_as_the_terminal(parser, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = parser.format_help().splitlines()
    assert max(map(len, lines)) <= max(80, min(120, columns))
    text = " ".join(" ".join(lines).split())
    assert text.count("It can be many things.") == 8
    assert "But it is one of {ball,kite,car,doll,bear,boat} (default: ball)" in text
    assert "--sizes Of its parts (default: 1)" in text and "--parts Of it " in text


@pytest.mark.parametrize(("asked", "given"), [(2, 2), (9, 2)])
def test_no_more_workers_than_cpus_read_videos(tmp_path, caplog, monkeypatch, asked, given):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3})
    args = TrainingArguments(tmp_path, dataloader_num_workers=asked, use_cpu=True)
    fit_workers(args)
    assert args.dataloader_num_workers == given
    said = [f"--dataloader_num_workers {asked} is lowered to 2, the CPUs this process may use"] * (asked != given)
    assert caplog.messages == said


def test_without_workers_a_recipes_workers_do_not_stay(tmp_path):
    args = TrainingArguments(tmp_path, dataloader_persistent_workers=True, use_cpu=True)
    fit_workers(args)
    assert not args.dataloader_persistent_workers


@pytest.mark.parametrize("command", [finetune, pretrain, evaluate_model])
def test_what_reads_videos_keeps_to_the_cpus(command, tmp_path, caplog):
    own = ["--objective", "pace"] if command is pretrain else []
    words = ["--model_name_or_path", "./nosuch", "--dataset", "folder", "--dataset_root", str(tmp_path / "none"), *own]
    with pytest.raises(SystemExit):
        command.main([*words, "--dataloader_num_workers", "100000", "--output_dir", str(tmp_path)])
    assert "--dataloader_num_workers 100000 is lowered to " in caplog.text


def test_a_batch_of_one_clip_is_named_where_batchnorm_cannot_take_it():
    with pytest.raises(SystemExit, match=r"error: a batch of one clip leaves BatchNorm .* raise --per_device_train"):
        with user_errors():
            torch.nn.BatchNorm3d(2)(torch.zeros(1, 2, 1, 1, 1))


def test_an_interruption_is_one_word(capsys):
    with pytest.raises(SystemExit) as stopped, user_errors():
        raise KeyboardInterrupt
    assert stopped.value.code == 130 and capsys.readouterr().err == "interrupted\n"


def test_errors_of_the_user_become_one_line_and_others_keep_their_traceback(caplog):
    with pytest.raises(SystemExit) as stopped, user_errors():
        raise ValueError("the file\nis bad")
    assert stopped.value.code == "error: the file is bad"
    with pytest.raises(SystemExit, match=r"^error: install bitsandbytes"), user_errors():
        raise ImportError("install bitsandbytes")
    with pytest.raises(RuntimeError), caplog.at_level(logging.DEBUG), user_errors():
        raise RuntimeError("ours")


class Broken(torch.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise ValueError(f"video {index}: it is empty")


def test_a_workers_error_is_the_line_it_is_without_one():
    for workers in (0, 1):
        with pytest.raises(SystemExit) as stopped, user_errors():
            next(iter(torch.utils.data.DataLoader(Broken(), num_workers=workers)))
        assert stopped.value.code == "error: video 0: it is empty"


def test_a_file_of_flags_is_replaced_by_what_is_in_it(tmp_path):
    config = tmp_path / "toy.yaml"
    config.write_text("name: ball\nsizes: [2, 3]\n")
    below = ["--name", "ball", "--sizes", "2", "3"]
    assert expanded(["--fast", "true", "--config", str(config), "--seed", "1"]) == [
        *below, "--fast", "true", "--seed", "1",
    ]  # fmt: skip
    assert expanded([f"--config={config}"]) == below and expanded(["--seed", "1"]) == ["--seed", "1"]


def test_numbers_that_differ_are_written_differently():
    assert [exactly(number) for number in (10.0, 0.05, 1e-4, 0.00333333, 0.003333334)] == [
        "10", "0.05", "0.0001", "0.00333333", "0.003333334",
    ]  # fmt: skip


def test_a_flag_is_among_the_words_and_a_value_of_its_name_is_none():
    names = ("seed", "split")
    assert flags_among(["--dataset_root", "split", "--seed=5", "--split", "2"], names) == ["--seed=5", "--split"]
    assert flags_among(["--dataset_root", "seed", "--seeds", "1"], names) == []
