"""Errors of a command in one line, without a traceback."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager

__all__ = ["FlagFormatter", "one_line", "user_errors", "with_dashes"]

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


@contextmanager
def user_errors(flags: Collection[str] = ()) -> Iterator[None]:
    """End a command with one line if input, arguments, disk, Hub or a missing package cause an error, or at Ctrl-C.

    Args:
        flags: names of the command's flags; parameters that an error names in backticks become flags.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if not _is_the_users(error):
            raise
        logger.debug("where it happened:", exc_info=True)
        sys.exit(f"error: {with_dashes(one_line(error), flags)}")


def _is_the_users(error: Exception) -> bool:
    from huggingface_hub.errors import HTTPError
    from safetensors import SafetensorError

    return _is_failed_write(error) or isinstance(
        error, ValueError | OSError | ImportError | HTTPError | SafetensorError
    )


def _is_failed_write(error: Exception) -> bool:
    """Return whether torch.save could not write; on a full disk it raises a plain RuntimeError."""
    return isinstance(error, RuntimeError) and (
        "inline_container.cc" in str(error) or "basic_ios::clear" in str(error)
    )


def one_line(error: Exception) -> str:
    """Return the message of an error in one line, with a remedy for some errors of libraries."""
    text = str(error)
    if text.startswith("Caught "):  # error of a DataLoader's worker, with its traceback as text
        text = text.splitlines()[-1].partition(": ")[2]
    if _is_failed_write(error):
        text = f"a file could not be written ({text}); check that the disk is not full"
    if text.startswith("Expected more than 1 value per channel"):
        text = (
            "a batch of one clip leaves BatchNorm a single value per channel; raise `per_device_train_batch_size` to "
            "2 or more, and with a last batch of one clip set `dataloader_drop_last` true"
        )
    return " ".join(text.split())


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
        text = super().format(record)
        return with_dashes(text, self.flags) if record.name.startswith("hf_selfdistill") else text
