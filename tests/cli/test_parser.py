from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from typing import Literal

import pytest
from transformers import TrainingArguments

from hf_selfdistill.cli import finetune, pretrain
from hf_selfdistill.cli.parser import CommandParser, fit_workers, start_logging


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
    return CommandParser(Toy, TrainingArguments, description="Play.", most_used=["learning_rate"])


def test_a_tilde_is_the_home_folder_in_flags_in_the_file_and_in_its_name(parser, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "toy.yaml").write_text("parts: [~/a, b~, ~/c]\noutput_dir: ~/out\n")
    toy, args = parser.parse(["--config=~/toy.yaml", "--name=~/ball"])
    assert (toy.name, toy.parts) == (f"{tmp_path}/ball", [f"{tmp_path}/a", "b~", f"{tmp_path}/c"])
    assert args.output_dir == f"{tmp_path}/out"
    toy, args = parser.parse(["--name", "~", "--output_dir", "~/other"])
    assert (toy.name, args.output_dir) == (str(tmp_path), f"{tmp_path}/other")


def test_flags_win_over_the_file_and_the_file_over_defaults(parser, tmp_path):
    config = tmp_path / "toy.yaml"
    config.write_text(
        "name: ball\nsizes: [2, 3]\nfast: true\nlearning_rate: 1.0e-3\nlr_scheduler_kwargs: {a: 1}\nseed:\n"
    )
    toy, args = parser.parse(["--config", str(config), "--name", "kite", "--output_dir", str(tmp_path)])
    assert (toy.name, toy.sizes, toy.fast) == ("kite", [2, 3], True)
    assert (args.learning_rate, args.logging_steps, args.seed) == (1e-3, 500, 42)
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


def test_a_misspelt_flag_in_a_file_is_named_with_the_file(parser, capsys, tmp_path):
    config = tmp_path / "recipe.yaml"
    config.write_text("nane: x\n")
    with pytest.raises(SystemExit):
        parser.parse(["--name", "x", "--config", str(config)])
    expected = f"error: {config}: unrecognized arguments: --nane (did you mean --name?)\n"
    assert capsys.readouterr().err.endswith(expected)


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
    said = [f"--dataloader_num_workers {asked} is lowered to 2, the CPUs this process can use"] * (asked != given)
    assert caplog.messages == said


def test_without_workers_a_recipes_workers_do_not_stay(tmp_path):
    args = TrainingArguments(tmp_path, dataloader_persistent_workers=True, use_cpu=True)
    fit_workers(args)
    assert not args.dataloader_persistent_workers


@pytest.mark.parametrize("command", [finetune, pretrain])
def test_what_reads_videos_keeps_to_the_cpus(command, tmp_path, caplog):
    own = ["--objective", "pace"] if command is pretrain else []
    words = ["--model_name_or_path", "./nosuch", "--dataset", "folder", "--dataset_root", str(tmp_path / "none"), *own]
    with pytest.raises(SystemExit):
        command.main([*words, "--dataloader_num_workers", "100000", "--output_dir", str(tmp_path)])
    assert "--dataloader_num_workers 100000 is lowered to " in caplog.text


def test_flags_of_another_command_are_handed_on_with_those_of_the_file(tmp_path):
    config = tmp_path / "toy.yaml"
    config.write_text("name: ball\nseed: 3\n")
    toy, rest = CommandParser(Toy, description="Play.").parse_known(
        ["--fast", "true", "--config", str(config), "--x", "1"]
    )
    assert (toy.name, toy.fast, rest) == ("ball", True, ["--seed", "3", "--x", "1"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\ntop_k: *b\n", "aliases"),
        ("a: " + "[" * 100_000, "more than 1000 brackets"),
        ("a: " + "[" * 900, "not YAML"),
        ("a: {", "not YAML"),
    ],
)
def test_a_config_file_that_could_fill_the_memory_is_refused_in_one_line(tmp_path, text, reason, capsys):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(SystemExit):
        CommandParser(Toy, description="Toys.").parse(["--config", str(tmp_path / "c.yaml")])
    assert f"--config {tmp_path}/c.yaml: {reason}" in capsys.readouterr().err


def test_help_of_finetune_lists_the_regularizers(capsys):
    with pytest.raises(SystemExit, match="0"):
        finetune.main(["--help"])
    text = "".join(capsys.readouterr().out.split())
    assert "state:{self_distillation,l2_sp,encoder_lr," in text and "wise_ft}(default:self_distillation)" in text


def test_messages_of_the_hub_are_printed_once(monkeypatch):
    hub = logging.getLogger("huggingface_hub")
    monkeypatch.setattr(hub, "propagate", True)
    before = list(hub.handlers)  # the library's own
    start_logging()
    assert hub.handlers == before and not hub.propagate
