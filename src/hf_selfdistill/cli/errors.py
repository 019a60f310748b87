"""Errors of a command in one line, without a traceback."""

from __future__ import annotations

import logging
import re
import sys
import tempfile
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager

__all__ = ["FlagFormatter", "one_line", "printable", "user_errors", "with_dashes"]

logger = logging.getLogger(__name__)

INTERRUPTED = 130  # exit code of shells at Ctrl-C
FLAGS = {
    "root": "dataset_root",
    "name": "dataset",
    "max_missing_fraction": "max_unreadable",
    "rank": "lora_rank",
    "target_modules": "lora_target_modules",
}
"""Parameters of library functions whose flag has another name."""

OUT_OF_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
FAILED_WRITE = ("inline_container.cc", "basic_ios::clear", "enforce fail", "PytorchStreamWriter", "iostream error")


@contextmanager
def user_errors(flags: Collection[str] = ()) -> Iterator[None]:
    """End a command with one line at an error or at Ctrl-C; the traceback of an unknown error goes to a log file.

    Input, arguments, disk, Hub and missing packages cause known errors.

    Args:
        flags: names of the command's flags; parameters that an error names in backticks become flags.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except Exception as error:
        text = with_dashes(one_line(error), flags)
        if not _is_the_users(error):
            text = f"{type(error).__name__}: {text}; the traceback is in {_write_traceback()}"
        logger.debug("where it happened:", exc_info=True)
        sys.exit(f"error: {text}")


def _write_traceback() -> str:
    with tempfile.NamedTemporaryFile("w", prefix="hf-selfdistill-", suffix=".log", delete=False) as file:
        file.write(traceback.format_exc())
    return file.name


def _is_the_users(error: Exception) -> bool:
    from huggingface_hub.errors import HTTPError
    from safetensors import SafetensorError

    return _cure(str(error), error) is not None or isinstance(
        error, ValueError | OSError | ImportError | HTTPError | SafetensorError
    )


def _cure(text: str, error: Exception) -> str | None:
    """Return a message with the cure for an error of PyTorch that has none; PyTorch raises plain RuntimeErrors."""
    if not isinstance(error, RuntimeError | ValueError):
        return None
    if any(words in text for words in OUT_OF_MEMORY):
        return (
            "the accelerator's memory is too small; lower `per_device_train_batch_size` and raise "
            "`gradient_accumulation_steps`, set `gradient_checkpointing` or `bf16` true, or set "
            f"`auto_find_batch_size` true ({text.splitlines()[0]})"
        )
    if any(words in text for words in FAILED_WRITE):
        return f"a file could not be written ({text.splitlines()[0]}); check that the disk is not full"
    if "DataLoader worker" in text:
        return (
            f"a worker that reads videos ended ({text.splitlines()[0]}); if memory ran out, lower "
            "`dataloader_num_workers` or `per_device_train_batch_size`"
        )
    if "does not have a deterministic implementation" in text:
        return f"{text.split('. ')[0]} on GPUs; omit `full_determinism`, or train with `use_cpu`"
    if text.startswith("Expected more than 1 value per channel"):
        return (
            "a batch of one clip leaves BatchNorm a single value per channel; raise `per_device_train_batch_size` to "
            "2 or more, and with a last batch of one clip set `dataloader_drop_last` true"
        )
    return None


def one_line(error: Exception) -> str:
    """Return the message of an error in one line, with a remedy for some errors of libraries."""
    text = str(error)
    if text.startswith("Caught "):  # error of a DataLoader's worker, with its traceback as text
        text = text.splitlines()[-1].partition(": ")[2]
    return " ".join(printable(_cure(text, error) or text).split())


def printable(text: str) -> str:
    """Replace control characters, such as those in names of files and classes, by blanks; line breaks stay."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", " ", text)


def with_dashes(text: str, flags: Collection[str]) -> str:
    """Replace parameters in backticks by flags, if the command has them."""

    def flag(match: re.Match[str]) -> str:
        name = match[1] if match[1] in flags else FLAGS.get(match[1], "")
        return f"--{name}" if name in flags else match[0]

    return re.sub(r"`(\w+)`", flag, text)


class FlagFormatter(logging.Formatter):
    """Formatter that writes parameters in backticks as flags of the command, in log lines of this package.

    Args:
        flags: names of the command's flags.
    """

    def __init__(self, flags: Collection[str]) -> None:
        super().__init__("%(message)s")
        self.flags = flags

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a log line."""
        text = printable(super().format(record))
        return with_dashes(text, self.flags) if record.name.startswith("hf_selfdistill") else text
