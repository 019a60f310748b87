"""Whether a command that was run is the one that is asked for now."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

__all__ = ["difference"]

NAMED_BY = {
    "encoder_hash": ("--model_name_or_path", "--before"),
    "train_hash": ("--dataset_root", "--annotations"),
    "test_hash": ("--dataset_root", "--annotations"),
    "reference_hash": ("--dataset_root", "--annotations", "--reference_root", "--reference_annotations"),
}
"""Hashes of what commands are made from → the flags that say where it lies, which may be anywhere."""

NOTHING: Mapping[str, str] = MappingProxyType({})

CHANGES_NOTHING = (
    "--resume_from_checkpoint",
    "--dataloader_num_workers",
    "--max_unreadable",
    "--per_device_eval_batch_size",
    "--use_cpu",
    "--disable_tqdm",
)
OWN_PLACE = ("--output_dir", "--output_file")


def difference(
    before: Sequence[str],
    now: Sequence[str],
    made_from: Mapping[str, str] = NOTHING,
    makes_from: Mapping[str, str] = NOTHING,
) -> str:
    """In words, the first thing that has another hash, or flag that has another value, or is there or not.

    Empty where nothing that counts differs.

    Args:
        before: the words of the command that was run.
        now: of the one that is asked for.
        made_from: name → hash of what the one that was run was made from.
        makes_from: of what the one that is asked for would be made from.
    """
    known = [name for name in made_from if name in makes_from]
    for name in known:
        if made_from[name] != makes_from[name]:
            return f"when the {name.replace('_', ' ')} was {made_from[name]:.8}, which is {makes_from[name]:.8} now"
    anywhere = {flag for name in known for flag in NAMED_BY.get(name, ())}
    then, today = _what_counts(before, anywhere), _what_counts(now, anywhere)
    for flag in {**today, **then}:
        if then.get(flag) != today.get(flag):
            made, asked = (f"{flag} {flags[flag]}".strip() if flag in flags else None for flags in (then, today))
            if made is None:
                return f"without {flag or asked}"
            return f"with {made}" + (f", not {asked}" if asked is not None else "")
    return ""


def _what_counts(words: Sequence[str], anywhere: Collection[str]) -> dict[str, str]:
    """Flag → value, of the last time where it is given twice, without those that change nothing or are known better.

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
    return {flag: value for flag, value in flags.items() if flag not in (*CHANGES_NOTHING, *anywhere)}


def _place(flag: str, word: str) -> str:
    return "/".join(Path(word).parts[-1 if flag in OWN_PLACE else -2 :]) if os.sep in word else word
