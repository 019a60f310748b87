"""What the folder of a job says of it: what was attempted last, what is done."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["ATTEMPT", "DONE", "age", "done_commands", "facts_of", "note_done", "read", "seconds_done", "write"]

ATTEMPT = "commands.json"
"""Of the last attempt: how many commands were done before it, its own ones, what it is made with."""

DONE = "done.json"
"""Each command that succeeded, with the hashes of what it was made from, the commit and the decoder."""

OLD = "finished.json"


def done_commands(folder: Path) -> list[dict[str, Any]]:
    """The commands that succeeded: `words`, `made_from`, `commit`, `decoder`.

    Raises:
        ValueError: the record is damaged, or that of an earlier version, which did not say what was made from what.
    """
    if (folder / OLD).is_file():
        raise ValueError(
            f"{folder / OLD} was written by an earlier version, which did not note from what encoder and videos the "
            "run was made; give another --output_dir, or take that folder away"
        )
    commands: list[dict[str, Any]] = read(folder / DONE)["commands"] if (folder / DONE).is_file() else []
    return commands


def seconds_done(folder: Path) -> float:
    """Wall time until the last command succeeded, with all that attempts before it took."""
    return float(read(folder / DONE)["wall_seconds"]) if (folder / DONE).is_file() else 0.0


def note_done(attempt: Path) -> None:
    """Write down that one more command of an attempt has succeeded, so that it is not run again.

    Args:
        attempt: its file, in the folder of the job.
    """
    begun, done = read(attempt), done_commands(attempt.parent)
    command = begun["commands"][len(done) - begun["done"]]
    facts = {
        "commands": [*done, {**command, **begun["made_with"]}],
        "wall_seconds": round(begun["seconds_before"] + age(attempt), 1),
        "host": socket.gethostname(),
    }
    write(attempt.with_name(DONE), facts)


def facts_of(folder: Path) -> dict[str, Any]:
    """What a finished job says in a line of a table.

    Returns:
        The hashes of what its commands were made from; `commit` and `decoder` of the training, and those of the first
        test, `test_commit` and `test_decoder`; `wall_seconds` of all attempts; `host`.
    """
    facts = read(folder / DONE)
    training, *tests = facts["commands"]
    line = {name: hash_ for command in facts["commands"] for name, hash_ in command["made_from"].items()}
    line |= {name: training[name] for name in ("commit", "decoder")}
    line |= {f"test_{name}": test[name] for test in tests[:1] for name in ("commit", "decoder")}
    return line | {name: facts[name] for name in ("wall_seconds", "host")}


def age(attempt: Path) -> float:
    """Seconds since the attempt began."""
    return time.time() - attempt.stat().st_mtime


def read(file: Path) -> dict[str, Any]:
    """What a file of the record says.

    Raises:
        ValueError: it is damaged.
    """
    try:
        facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}); take it away, and what it was about is done anew") from error
    return facts


def write(file: Path, facts: Mapping[str, Any]) -> None:
    """Whole or not at all: a queue reads it while another one, or a full disk, may be at it."""
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    unfinished.replace(file)
