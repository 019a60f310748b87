"""Command lines: dataclasses, a YAML file under the flags, a help of what is used, errors of one line."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import yaml
from huggingface_hub.errors import HTTPError
from safetensors import SafetensorError
from transformers import HfArgumentParser, TrainingArguments

__all__ = [
    "CommandParser",
    "as_flags",
    "config_flags",
    "exactly",
    "expanded",
    "fit_workers",
    "flags_among",
    "start_logging",
    "user_errors",
]

logger = logging.getLogger(__name__)

INTERRUPTED = 130  # as shells have it


class CommandParser(HfArgumentParser):
    """Parses dataclasses from flags and `--config file.yaml`; flags win over the file.

    Args:
        dataclass_types: as HfArgumentParser's.
        description: what the command does.
        defaults: where the command's defaults differ from the dataclasses'.
        most_used: of the more than a hundred fields of TrainingArguments, those that the help shows; all are taken.
        positional: name and help of a list of positional arguments, handed back as the last value of `parse`.
    """

    def __init__(
        self,
        *dataclass_types: Any,
        description: str,
        defaults: dict[str, Any] | None = None,
        most_used: Sequence[str] = (),
        positional: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(dataclass_types, description=description, allow_abbrev=False)
        self.set_defaults(**(defaults or {}))
        self.most_used, self.positional = most_used, positional
        if positional is not None:
            self.add_argument(positional[0], nargs="+", help=positional[1])
        self.add_argument("--config", help="YAML file of flags; flags of the command line win.")

    def parse(self, argv: Sequence[str] | None = None) -> tuple[Any, ...]:
        """The dataclasses filled in; exits with one line where an argument is wrong or unknown."""
        argv = list(sys.argv[1:] if argv is None else argv)
        try:
            *filled, rest = self.parse_args_into_dataclasses(config_flags(argv) + argv)
        except (ValueError, TypeError, OSError) as error:
            self.error(str(error))
        return (*filled, getattr(rest, self.positional[0])) if self.positional else tuple(filled)

    def parse_some(self, argv: Sequence[str]) -> tuple[Any, ...]:
        """The dataclasses filled in, and the words that are not theirs, `--config` among them: another command's."""
        try:
            namespace, rest = self.parse_known_args(argv)
            filled = self._fill(namespace)
        except (ValueError, TypeError) as error:
            self.error(str(error))
        return (*filled, [*(["--config", namespace.config] if namespace.config else []), *rest])

    def parse_args_into_dataclasses(self, args: Sequence[str], **kwargs: Any) -> tuple[Any, ...]:
        """As the base class's, with the arguments of no dataclass always last."""
        namespace = self.parse_args(args)
        return (*self._fill(namespace), namespace)

    def _fill(self, namespace: argparse.Namespace) -> list[Any]:
        filled = []
        for dataclass_type in self.dataclass_types:
            names = {field.name for field in dataclasses.fields(dataclass_type) if field.init}
            filled.append(dataclass_type(**{name: vars(namespace).pop(name) for name in names}))
        return filled

    def error(self, message: str) -> NoReturn:
        """One line, no page of usage above it; with the flag that was meant, where one is alike."""
        unknown = [word for word in message.split() if word.startswith("--") and "unrecognized arguments" in message]
        alike = [match for word in unknown for match in get_close_matches(word, self._option_string_actions, 1)]
        meant = f" (did you mean {' '.join(alike)}?)" if alike else ""
        sys.stderr.write(f"{self.prog}: error: {' '.join(message.split())}{meant}\n")
        sys.exit(2)

    def format_help(self) -> str:
        """Own fields by dataclass, and of TrainingArguments the most used."""
        lines = [f"usage: {self.prog} [--flag value …]" + (f" {self.positional[0]} …" if self.positional else "")]
        lines += ["", str(self.description), ""]
        if self.positional:
            lines += [_entry(*self.positional), ""]
        lines += [_entry("--config FILE", "YAML file of flags; flags of the command line win."), ""]
        inherited = {field.name for field in dataclasses.fields(TrainingArguments)}
        for dataclass_type in self.dataclass_types:
            fields = dataclasses.fields(dataclass_type)
            trains = issubclass(dataclass_type, TrainingArguments)
            lines += self._section(
                dataclass_type, [f for f in fields if f.init and not (trains and f.name in inherited)]
            )
            if trains:
                shown = [f for name in self.most_used for f in fields if f.name == name]
                lines += ["the most used of transformers.TrainingArguments, all of which are taken:"]
                lines += [self._line(field) for field in shown] + [""]
        return "\n".join(lines)

    def _section(self, dataclass_type: Any, fields: Sequence[dataclasses.Field[Any]]) -> list[str]:
        title = (dataclass_type.__doc__ or "").split("\n")[0].rstrip(".")
        return [f"{title}:", *(self._line(field) for field in fields), ""] if fields else []

    def _line(self, field: dataclasses.Field[Any]) -> str:
        action = self._option_string_actions[f"--{field.name}"]
        text = " ".join(str(field.metadata.get("help", "")).split())
        if len(text) > 120 and _help_of_transformers(field) == field.metadata.get("help"):
            text = text.split(". ")[0]  # whose help of some flags is a page
        choices = f" {{{','.join(map(str, action.choices))}}}" if action.choices and len(action.choices) < 7 else ""
        required = " (required)" if action.required else _default(action.default)
        return _entry(f"--{field.name}", f"{text.rstrip('.')}{choices}{required}")


def _help_of_transformers(field: dataclasses.Field[Any]) -> str | None:
    theirs = {f.name: f.metadata.get("help") for f in dataclasses.fields(TrainingArguments)}
    return theirs.get(field.name)


def _default(value: Any) -> str:
    shown = " ".join(map(str, value)) if isinstance(value, list) else value
    return "" if shown in (None, "") else f" (default: {shown})"


def _entry(flag: str, text: str) -> str:
    """A flag and what it does, on as many lines of the terminal as that takes."""
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
    """The YAML file named by `--config` as flags."""
    files = [b for a, b in pairwise(argv) if a == "--config"]
    files += [a.removeprefix("--config=") for a in argv if a.startswith("--config=")]
    if not files:
        return []
    file = Path(files[-1])
    if not file.is_file():
        raise ValueError(f"--config {file}: no such file")
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"--config {file}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise ValueError(f"--config {file}: expected lines of `flag: value`")
    return as_flags(values)


def expanded(argv: Sequence[str]) -> list[str]:
    """The words with what is in the file of `--config` in place of its name, below the flags, which win."""
    rest = [word for before, word in pairwise(["", *argv]) if "--config" not in (before, word)]
    return config_flags(argv) + [word for word in rest if not word.startswith("--config=")]


def flags_among(argv: Sequence[str], names: Container[str]) -> list[str]:
    """Those of the words that are flags with these names, `--flag=value` as it stands."""
    return [word for word in argv if word.startswith("--") and word.removeprefix("--").split("=")[0] in names]


def exactly(number: float) -> str:
    """A number with twelve significant digits, so that different values get different names."""
    return f"{number:.12g}"


def as_flags(values: Mapping[str, Any]) -> list[str]:
    """`--name value` of each that is not None; lists as several words, dictionaries as JSON."""
    flags: list[str] = []
    for name, value in values.items():
        if value is not None:
            flags += [f"--{name}", *([str(v) for v in value] if isinstance(value, list) else [_text(value)])]
    return flags


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def start_logging(args: TrainingArguments | None = None) -> None:
    """Show what a command says; of several processes the first one's, and with `--log_level debug` tracebacks too."""
    logging.basicConfig(format="%(message)s", level=logging.INFO if args is None or args.should_log else logging.ERROR)
    if args is not None and args.log_level == "debug":
        logging.getLogger("hf_selfdistill").setLevel(logging.DEBUG)


def fit_workers(args: Any, name: str = "dataloader_num_workers") -> None:
    """No more processes that read videos than there are CPUs for this one; without any, none that stay.

    Args:
        args: of a command; changed in place.
        name: of the argument.
    """
    asked = getattr(args, name)
    cpus = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    if asked > cpus:
        setattr(args, name, cpus)
        logger.warning("--%s %d is lowered to %d, the CPUs this process may use", name, asked, cpus)
    if isinstance(args, TrainingArguments) and args.dataloader_num_workers == 0:
        args.dataloader_persistent_workers = False  # as recipes ask for, which PyTorch refuses there


@contextmanager
def user_errors() -> Iterator[None]:
    """Ends a command with one line where the input, the arguments, the disk or the Hub are at fault, or at Ctrl-C.

    So it does where a package is missing that an argument needs, such as bitsandbytes for `--optim adamw_8bit`.

    The traceback is shown with `--log_level debug`.
    """
    try:
        yield
    except KeyboardInterrupt:
        logger.debug("where it happened:", exc_info=True)
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except (ValueError, OSError, ImportError, HTTPError, SafetensorError, RuntimeError) as error:
        # Where the disk is full, torch.save knows no better than to raise this.
        if isinstance(error, RuntimeError) and "PytorchStreamWriter" not in str(error):
            raise
        logger.debug("where it happened:", exc_info=True)
        sys.exit(f"error: {_in_one_line(error)}")


def _in_one_line(error: Exception) -> str:
    text = str(error)
    if text.startswith("Caught "):  # of a worker of a DataLoader, which hands on the traceback as text
        text = text.splitlines()[-1].partition(": ")[2]
    if text.startswith("Expected more than 1 value per channel"):
        text = (
            "a batch of one clip leaves BatchNorm a single value per channel; raise --per_device_train_batch_size to "
            "2 or more, and with a last batch of one clip set --dataloader_drop_last true"
        )
    return " ".join(text.split())
