"""Whether a command that was run is the one that is asked for now."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["difference"]

CHANGES_NOTHING = (
    "--resume_from_checkpoint",
    "--dataloader_num_workers",
    "--max_unreadable",
    "--per_device_eval_batch_size",
    "--use_cpu",
    "--disable_tqdm",
)
OWN_PLACE = ("--output_dir", "--output_file")


def difference(before: Sequence[str], now: Sequence[str]) -> str:
    """In words, the first flag that has another value, or is there or not; empty where nothing that counts differs.

    Args:
        before: the words of the command that was run.
        now: of the one that is asked for.
    """
    then, today = _what_counts(before), _what_counts(now)
    for flag in {**today, **then}:
        if then.get(flag) != today.get(flag):
            made, asked = (f"{flag} {flags[flag]}".strip() if flag in flags else None for flags in (then, today))
            if made is None:
                return f"without {flag or asked}"
            return f"with {made}" + (f", not {asked}" if asked is not None else "")
    return ""


def _what_counts(words: Sequence[str]) -> dict[str, str]:
    """Flag → value, of the last time where it is given twice, without flags that change nothing about results.

    Folders move: of a path the last two parts count, of where the results go the last one.
    """
    flags: dict[str, str] = {}
    flag = ""
    for word in words:
        if word.startswith("--"):
            flag, _, value = word.partition("=")
            flags[flag] = _place(flag, value)
        else:
            flags[flag] = f"{flags.get(flag, '')} {_place(flag, word)}".strip()
    return {flag: value for flag, value in flags.items() if flag not in CHANGES_NOTHING}


def _place(flag: str, word: str) -> str:
    return "/".join(Path(word).parts[-1 if flag in OWN_PLACE else -2 :]) if os.sep in word else word
