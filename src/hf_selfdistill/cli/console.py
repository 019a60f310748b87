"""The console command `hf-selfdistill`: all scripts under one name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from hf_selfdistill.cli.errors import user_errors

__all__ = ["COMMANDS", "main", "run_script"]

NAME = "hf-selfdistill"

COMMANDS = {
    "prepare": (
        "prepare_dataset",
        "Check all videos of a folder, and copy them in a form that is fast to read.",
    ),
    "pretrain": ("pretrain", "Pre-train an encoder on videos without labels."),
    "finetune": ("finetune", "Fine-tune a video classifier with self-distillation."),
    "evaluate": ("evaluate_model", "Test a fine-tuned classifier, or the frozen features of an encoder."),
    "report": ("report", "Write one page about a run: results, curves, confusions, forgetting."),
    "ablate": ("ablate", "Fine-tune in many settings and compare accuracy and retention."),
    "reproduce": ("reproduce_paper", "Reproduce the paper's Tables 1 and 2: both stages and the tests."),
    "predict": ("predict", "Classify video files."),
    "app": ("app", "Open a page in the browser that classifies dropped videos."),
    "convert": ("convert_checkpoint", "Convert a pre-trained encoder of another project."),
    "export": (
        "export_model",
        "Export a fine-tuned classifier as ONNX, as a PyTorch program, or with its code.",
    ),
    "demo": ("demo", "Fine-tune with and without self-distillation on generated videos, and compare."),
}
"""Subcommand, also the name of its module, → name of its script, and its line in the overview."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the subcommand named by the first argument; without arguments, or with --help, list all subcommands."""
    command, *words = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if command in ("-h", "--help"):
        sys.stdout.write(_overview())
        return
    if command == "--version":
        sys.stdout.write(f"{NAME} {version('hf_selfdistill')}\n")
        return
    if command not in COMMANDS:
        sys.stderr.write(f"{NAME}: error: {command!r} is not a subcommand; choose from {', '.join(COMMANDS)}\n")
        sys.exit(2)
    sys.argv[0] = f"{NAME} {command}"  # the name in help and errors
    run_script(command, words)


def run_script(command: str, argv: Sequence[str] | None = None) -> None:
    """Run a subcommand under the name of the running script; Ctrl-C while libraries are loaded gives one line."""
    with user_errors():
        import_module(f"{__package__}.{command}").main(argv)


def _overview() -> str:
    rows = [f"  {command:<12}{says}" for command, (_, says) in COMMANDS.items()]
    return "\n".join([f"usage: {NAME} <subcommand> [--flag value …]", "", *rows, "", f"{NAME} <subcommand> --help\n"])
