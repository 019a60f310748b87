import runpy
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

from hf_selfdistill.cli import console


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_overview_has_a_line_per_subcommand(words, capsys):
    console.main(words)
    lines = capsys.readouterr().out.splitlines()
    for command, (_, says) in console.COMMANDS.items():
        assert [line.split(maxsplit=1)[1] for line in lines if line.startswith(f"  {command} ")] == [says]


@pytest.mark.parametrize("command", console.COMMANDS)
def test_every_subcommand_shows_its_own_help_under_its_own_name(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["hf-selfdistill"])
    with pytest.raises(SystemExit) as stopped:
        console.main([command, "--help"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: hf-selfdistill {command} [--flag value …]")


def test_every_script_has_its_subcommand():
    scripts = {script.stem for script in (Path(__file__).parents[2] / "scripts").glob("*.py")}
    assert scripts == {module for module, _ in console.COMMANDS.values()}


def test_an_unknown_subcommand_is_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        console.main(["fintune"])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'fintune'" in line and all(command in line for command in console.COMMANDS)


def test_a_wrong_flag_is_one_line_that_names_the_subcommand(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["hf-selfdistill"])
    with pytest.raises(SystemExit):
        console.main(["predict", "--model", "x", "clip.mp4"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hf-selfdistill predict: error: ")


def test_the_words_go_to_the_command_as_they_are(monkeypatch):
    got = []
    monkeypatch.setattr(import_module("hf_selfdistill.cli.predict"), "main", got.append)
    monkeypatch.setattr(sys, "argv", ["/bin/hf-selfdistill", "predict", "--model_name_or_path", "m", "ä b.mp4"])
    console.main()
    assert got == [["--model_name_or_path", "m", "ä b.mp4"]]


def test_it_tells_its_version(capsys):
    console.main(["--version"])
    assert capsys.readouterr().out == f"hf-selfdistill {version('hf_selfdistill')}\n"


@pytest.mark.parametrize("start", ["console", *sorted(script for script, _ in console.COMMANDS.values())])
def test_an_interruption_while_libraries_are_loaded_is_one_line(start, monkeypatch, capsys):
    def interrupt(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(console, "import_module", interrupt)
    with pytest.raises(SystemExit) as stopped:
        if start == "console":
            console.main(["finetune"])
        else:
            runpy.run_path(str(Path(__file__).parents[2] / "scripts" / f"{start}.py"), run_name="__main__")
    assert stopped.value.code == 130 and capsys.readouterr().err == "interrupted\n"
