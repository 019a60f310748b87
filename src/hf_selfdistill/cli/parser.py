"""Command lines: flags from dataclasses, defaults from a YAML file, and a help page of selected fields."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import yaml
from huggingface_hub.utils.logging import disable_propagation
from transformers import HfArgumentParser, TrainingArguments
from transformers.utils.logging import disable_progress_bar

from hf_selfdistill.cli.errors import FlagFormatter, with_dashes

__all__ = [
    "MOST_USED_EVALUATION",
    "MOST_USED_TRAINING",
    "CommandParser",
    "as_flags",
    "config_flags",
    "fit_workers",
    "start_logging",
]

logger = logging.getLogger(__name__)

MOST_USED_TRAINING = (
    "output_dir",
    "num_train_epochs",
    "learning_rate",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "gradient_accumulation_steps",
    "optim",
    "optim_args",
    "weight_decay",
    "max_grad_norm",
    "bf16",
    "torch_compile",
    "eval_strategy",
    "save_strategy",
    "save_total_limit",
    "load_best_model_at_end",
    "resume_from_checkpoint",
    "dataloader_num_workers",
    "logging_steps",
    "report_to",
    "push_to_hub",
    "seed",
)
MOST_USED_EVALUATION = ("per_device_eval_batch_size", "dataloader_num_workers", "bf16", "use_cpu", "disable_tqdm")
"""Fields of TrainingArguments that the help pages show."""

HIDDEN = ("objective_arguments", "videos")  # set by other flags or by positional arguments


class CommandParser(HfArgumentParser):
    """Parses dataclasses from flags and `--config file.yaml`; flags win over the file.

    Args:
        dataclass_types: dataclasses whose fields become flags.
        description: what the command does.
        most_used: fields of TrainingArguments that the help shows; all of them are accepted.
        positional: name and help of a list of positional arguments, returned as the last value of `parse`.
    """

    def __init__(
        self,
        *dataclass_types: Any,
        description: str,
        most_used: Sequence[str] = (),
        positional: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(dataclass_types, description=description, allow_abbrev=False)
        self.most_used, self.positional = most_used, positional
        if positional is not None:
            self.add_argument(positional[0], nargs="+", help=positional[1])
        self.add_argument("--config", help="YAML file of flags; flags of the command line win.")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, with a leading ~ as the home folder; a shell leaves it in --flag=~/x and in YAML."""
        home = str(Path.home())
        return super().parse_known_args(
            [re.sub(r"^(--\w+=)?~(?=/|$)", lambda found: (found[1] or "") + home, word) for word in args or ()],
            namespace,
        )

    @property
    def flags(self) -> set[str]:
        """Names of all flags."""
        return {own.name for kind in self.dataclass_types for own in dataclasses.fields(kind) if own.init}

    def parse(self, argv: Sequence[str] | None = None) -> tuple[Any, ...]:
        """Return the dataclasses filled in; exit with one line if an argument is wrong or unknown."""
        argv = list(sys.argv[1:] if argv is None else argv)
        of_file = self._config(argv)
        known = {flag for action in self._actions for flag in action.option_strings}
        unknown = [word for word in of_file if word.startswith("--") and word not in known]
        if unknown:
            self.error(f"{_config_file(argv)}: unrecognized arguments: {' '.join(unknown)}")
        namespace = self.parse_args([*of_file, *argv])
        positional = [getattr(namespace, self.positional[0])] if self.positional else []
        return (*self._fill(namespace), *positional)

    def parse_known(self, argv: Sequence[str]) -> tuple[Any, ...]:
        """Return the dataclasses filled in, and the arguments that belong to another command."""
        namespace, rest = self.parse_known_args([*self._config(argv), *_without_config(argv)])
        return (*self._fill(namespace), rest)

    def _config(self, argv: Sequence[str]) -> list[str]:
        try:
            return config_flags(argv)
        except (ValueError, OSError) as error:
            self.error(str(error))

    def _fill(self, namespace: argparse.Namespace) -> list[Any]:
        filled, values = [], vars(namespace)
        for kind in self.dataclass_types:
            names = [own.name for own in dataclasses.fields(kind) if own.init]
            try:
                filled.append(kind(**{name: values[name] for name in names}))
            except (ValueError, TypeError) as error:
                self.error(str(error))
        return filled

    def error(self, message: str) -> NoReturn:
        """Exit with one line, without the usage; suggest a similar flag."""
        unknown = [word for word in message.split() if word.startswith("--") and "unrecognized arguments" in message]
        known = [f"--{name}" for name in self.flags]
        alike = [match for word in unknown for match in get_close_matches(word, known, 1)]
        meant = f" (did you mean {' '.join(alike)}?)" if alike else ""
        text = with_dashes(" ".join(message.split()), self.flags)
        sys.stderr.write(f"{self.prog}: error: {text}{meant}\n")
        sys.exit(2)

    def format_help(self) -> str:
        """Show the fields of our own dataclasses, and of TrainingArguments the most used."""
        lines = [f"usage: {self.prog} [--flag value …]" + (f" {self.positional[0]} …" if self.positional else "")]
        lines += ["", str(self.description), ""]
        if self.positional:
            lines += [_entry(*self.positional), ""]
        lines += [_entry("--config FILE", "YAML file of flags; flags of the command line win."), ""]
        for kind in self.dataclass_types:
            fields = {own.name: own for own in dataclasses.fields(kind) if own.init and own.name not in HIDDEN}
            own_names = {} if kind is TrainingArguments else vars(kind).get("__annotations__", {})
            inherited = {own.name for own in dataclasses.fields(TrainingArguments)} - own_names.keys()
            shown = set(inherited) if issubclass(kind, TrainingArguments) else set()
            for part in kind.__mro__:
                names = [name for name in vars(part).get("__annotations__", {}) if name in fields.keys() - shown]
                shown.update(names)
                if names:
                    lines += [f"{_title(part)}:", *(self._line(fields[name]) for name in names), ""]
            if issubclass(kind, TrainingArguments):
                lines += ["the most used of transformers.TrainingArguments, all of which are accepted:"]
                lines += [self._line(fields[name]) for name in self.most_used] + [""]
        return "\n".join(lines)

    def _line(self, own: dataclasses.Field[Any]) -> str:
        action = next(action for action in self._actions if f"--{own.name}" in action.option_strings)
        text = " ".join(str(own.metadata.get("help", "")).split())
        theirs = {field.name: field.metadata.get("help") for field in dataclasses.fields(TrainingArguments)}
        if len(text) > 120 and theirs.get(own.name) == own.metadata.get("help"):
            text = text.split(". ")[0]  # transformers' help of some flags is a page
        choices = f" {{{','.join(map(str, action.choices))}}}" if action.choices and len(action.choices) < 11 else ""
        required = " (required)" if action.required else _default(action.default)
        return _entry(f"--{own.name}", f"{text.rstrip('.')}{choices}{required}")


def _title(kind: type) -> str:
    return (kind.__doc__ or "").split("\n")[0].rstrip(".")


def _default(value: Any) -> str:
    shown = " ".join(map(str, value)) if isinstance(value, list) else value
    return "" if shown in (None, "") else f" (default: {shown})"


def _entry(flag: str, text: str) -> str:
    """Return a flag and its help, wrapped to the width of the terminal."""
    width = max(80, min(120, shutil.get_terminal_size((120, 24)).columns))
    return textwrap.fill(
        text,
        width,
        initial_indent=f"  {flag:32}",
        subsequent_indent=" " * 34,
        break_long_words=False,
        break_on_hyphens=False,
    )


def config_flags(argv: Sequence[str]) -> list[str]:
    """Return the values of the YAML file named by `--config` as flags.

    Raises:
        ValueError: there is no such file, or it does not map flags to values.
    """
    file = _config_file(argv)
    if file is None:
        return []
    if not file.is_file():
        raise ValueError(f"--config {file}: no such file")
    try:
        text = file.read_text(encoding="utf-8")
        if text.count("[") + text.count("{") > 1000:  # PyYAML's time grows with the square of their depth
            raise ValueError(f"--config {file}: more than 1000 brackets are not allowed")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):  # few lines can fill the memory
            raise ValueError(f"--config {file}: aliases (*name) are not allowed; write the values out")
        values = yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"--config {file}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise ValueError(f"--config {file}: expected lines of `flag: value`")
    return as_flags(values)


def _config_file(argv: Sequence[str]) -> Path | None:
    files = [b for a, b in pairwise(argv) if a == "--config"]
    files += [a.removeprefix("--config=") for a in argv if a.startswith("--config=")]
    return Path(files[-1]).expanduser() if files else None


def as_flags(values: Mapping[str, Any]) -> list[str]:
    """Return values as `--name value`; None is left out, a list becomes several arguments, a dictionary JSON."""
    flags: list[str] = []
    for name, value in values.items():
        if value is not None:
            text = json.dumps(value) if isinstance(value, dict) else value
            flags += [f"--{name}", *map(str, text if isinstance(text, list) else [text])]
    return flags


def _without_config(argv: Sequence[str]) -> list[str]:
    rest = [word for before, word in pairwise(["", *argv]) if "--config" not in (before, word)]
    return [word for word in rest if not word.startswith("--config=")]


def start_logging(args: TrainingArguments | None = None, flags: Collection[str] = ()) -> None:
    """Show the log lines of the first process; with `--log_level debug` tracebacks too.

    The progress bars of transformers for loading and writing weights are turned off.

    Args:
        args: arguments with the log level, if the command has them.
        flags: names of the command's flags.
    """
    disable_progress_bar()
    handler = logging.StreamHandler()
    handler.setFormatter(FlagFormatter(flags))
    level = logging.INFO if args is None or args.should_log else logging.ERROR
    logging.basicConfig(handlers=[handler], level=level)
    disable_propagation()  # huggingface_hub prints its messages itself
    if args is not None and args.log_level == "debug":
        logging.getLogger("hf_selfdistill").setLevel(logging.DEBUG)


def fit_workers(args: Any, name: str = "dataloader_num_workers") -> None:
    """Lower the number of workers to the CPUs of this process; without workers, none persist.

    Args:
        args: arguments of the command, changed in place.
        name: name of the argument.
    """
    wanted = getattr(args, name)
    cpus = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    if wanted > cpus:
        setattr(args, name, cpus)
        logger.warning("--%s %d is lowered to %d, the CPUs this process can use", name, wanted, cpus)
    if isinstance(args, TrainingArguments) and args.dataloader_num_workers == 0:
        args.dataloader_persistent_workers = False  # recipes set it, and PyTorch refuses it without workers
