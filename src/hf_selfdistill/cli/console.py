"""The console command `hf-selfdistill`: the scripts under one name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

__all__ = ["COMMANDS", "main"]

NAME = "hf-selfdistill"

COMMANDS = {
    "pretrain": ("pretrain", "Pre-train an encoder on videos without labels."),
    "finetune": ("finetune", "Fine-tune a video classifier with self-distillation."),
    "evaluate": ("evaluate_model", "Test a fine-tuned classifier, or what an encoder's frozen features tell."),
    "report": ("report", "One page on a run: results, curves, confusions, what was forgotten."),
    "ablate": ("ablate", "Fine-tune in many settings and compare accuracy and what was kept."),
    "reproduce": ("reproduce_paper", "The paper's Tables 1 and 2: both stages and the tests, beside its figures."),
    "predict": ("predict", "Classify video files."),
    "app": ("app", "A page in the browser: drop a video, see its class and where it was seen."),
    "convert": ("convert_checkpoint", "Convert a pre-trained encoder of another project."),
    "export": (
        "export_model",
        "Write a fine-tuned classifier as ONNX, as PyTorch's exported program, or with its code.",
    ),
    "demo": ("demo", "The main job on videos written for the purpose, with and without self-distillation."),
}
"""Subcommand → its module in `commands`, whose `main` it runs, and what the overview says of it."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the subcommand named by the first word with the others; without words, or with --help, list them all."""
    command, *words = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if command in ("-h", "--help"):
        sys.stdout.write(_overview())
        return
    if command == "--version":
        sys.stdout.write(f"{NAME} {version('hf_selfdistill')}\n")
        return
    if command not in COMMANDS:
        sys.stderr.write(f"{NAME}: error: {command!r} is no subcommand; there are {', '.join(COMMANDS)}\n")
        sys.exit(2)
    sys.argv[0] = f"{NAME} {command}"  # what the subcommand calls itself in its help and its errors
    module, _ = COMMANDS[command]
    folder = {"app": "cli", "demo": "experiments"}.get(module, "commands")
    import_module(f"hf_selfdistill.{folder}.{module}").main(words)


def _overview() -> str:
    rows = [f"  {command:<12}{says}" for command, (_, says) in COMMANDS.items()]
    return "\n".join([f"usage: {NAME} <subcommand> [--flag value …]", "", *rows, "", f"{NAME} <subcommand> --help\n"])
