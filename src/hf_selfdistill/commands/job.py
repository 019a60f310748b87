"""Subcommands that belong together, in a folder that tells how far they are."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hf_selfdistill.commands.checkpoints import last_checkpoint
from hf_selfdistill.commands.provenance import provenance
from hf_selfdistill.commands.same_command import difference

__all__ = ["WORKING", "Job", "facts_of", "note_done"]

ATTEMPT, LOG, FINISHED, FAILED = "commands.json", "log.txt", "finished.json", "failed.txt"
DONE = "done.json"  # the commands that succeeded before one that may have failed
WORKING = "working.lock"
"""Held in the folder of a job by the process that does it, also where its queue was killed."""

RESUME = ("--resume_from_checkpoint", "true")
TRAININGS = ("finetune", "pretrain")

Commands = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Job:
    """Subcommands of `hf-selfdistill`, one after the other, in one process.

    Args:
        folder: for its log and its state.
        commands: words of each subcommand, its name first.
        made_from: name → hash of what the words name and may change: an encoder, the parts of a data set.
    """

    folder: Path
    commands: Commands
    made_from: Mapping[str, str] = field(default_factory=dict)

    @property
    def remaining(self) -> Commands:
        """The commands that are still to do: those after what was done, by whichever attempt."""
        return self.commands[len(self._done()["commands"]) :]

    @property
    def is_finished(self) -> bool:
        """Whether all its commands have succeeded."""
        return (self.folder / FINISHED).is_file() and not self.remaining

    @property
    def failure(self) -> str | None:
        """Why its last attempt failed."""
        file = self.folder / FAILED
        return file.read_text(encoding="utf-8") if file.is_file() and not self.is_finished else None

    def check_unchanged(self) -> None:
        """See that what was finished, or is to be resumed, is what is asked for now.

        Raises:
            ValueError: it was made by other commands, or from another encoder or other videos.
        """
        begun = self._done()
        if not begun["commands"] and last_checkpoint(self.folder) is not None and (self.folder / ATTEMPT).is_file():
            begun = _read(self.folder / ATTEMPT)
        others = [difference(before, now) for before, now in zip(begun["commands"], self.commands, strict=False)]
        others += [
            f"when the {name.replace('_', ' ')} was {before:.8}, which is {self.made_from[name]:.8} now"
            for name, before in begun["made_with"].items()
            if self.made_from.get(name, before) != before
        ]
        if other := next(filter(None, others), None):
            raise ValueError(f"{self.folder} was made {other}; give another --output_dir, or take that folder away")

    def start(self, device: str) -> subprocess.Popen[bytes]:
        """Begin with what remains, a training from its last checkpoint.

        Args:
            device: what CUDA_VISIBLE_DEVICES is set to, "" for none; on several, "0,1", there are as many processes.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        done, now = self._done(), provenance()
        attempt = {
            "done": done["commands"],
            "commands": self._resuming(),
            "made_with": {**self.made_from, **now, **done["made_with"]},
            "tested_with": now,
            "seconds_before": self._seconds_spent(),
        }
        (self.folder / FAILED).unlink(missing_ok=True)  # who waits for this attempt must not take an earlier one's end
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
            log.flush()
            _write(self.folder / ATTEMPT, {**attempt, "log_begins": log.tell()})
            return subprocess.Popen(
                [*_launcher(device), "-m", "hf_selfdistill.commands.run_job", str(self.folder / ATTEMPT)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": device},
            )

    def end(self, exit_code: int) -> None:
        """Write down how it ended."""
        (self.folder / FAILED).unlink(missing_ok=True)
        attempt = _read(self.folder / ATTEMPT)
        if exit_code == 0:
            facts = {
                "commands": self.commands,
                "made_with": attempt["made_with"],
                "tested_with": attempt["tested_with"],
                "wall_seconds": round(attempt["seconds_before"] + self._age(), 1),
                "host": socket.gethostname(),
            }
            _write(self.folder / FINISHED, facts)
        else:
            log = (self.folder / LOG).read_bytes()[attempt["log_begins"] :]
            said = log.decode("utf-8", errors="replace").strip().splitlines()
            own = [line for line in said if line.startswith("error: ")]  # which a launcher writes a summary below
            (self.folder / FAILED).write_text([f"exit code {exit_code}", *said[-1:], *own][-1], encoding="utf-8")

    def _done(self) -> dict[str, Any]:
        """The `commands` that succeeded, and what they were `made_with`."""
        files = [file for file in (self.folder / DONE, self.folder / FINISHED) if file.is_file()]
        nothing: dict[str, Any] = {"commands": [], "made_with": {}}
        return max(map(_read, files), key=lambda facts: len(facts["commands"]), default=nothing)

    def _resuming(self) -> Commands:
        first, *others = self.remaining
        resumes = first[0] in TRAININGS and last_checkpoint(self.folder) is not None
        return ((*first, *RESUME) if resumes else first, *others)

    def _seconds_spent(self) -> float:
        """In earlier attempts; of one that was killed, until it last said something."""
        if (self.folder / FINISHED).is_file():
            return float(_read(self.folder / FINISHED)["wall_seconds"])
        if not ((self.folder / ATTEMPT).is_file() and (self.folder / LOG).is_file()):
            return 0.0
        before = _read(self.folder / ATTEMPT)["seconds_before"]
        return float(before + max(0.0, self._age() - (time.time() - (self.folder / LOG).stat().st_mtime)))

    def _age(self) -> float:
        """Seconds since the last attempt began."""
        return time.time() - (self.folder / ATTEMPT).stat().st_mtime


def note_done(attempt: Path, commands: int) -> None:
    """Write down that so many commands of an attempt have succeeded, so that none of them is run again.

    Args:
        attempt: its file, in the folder of its job.
        commands: how many.
    """
    begun = _read(attempt)
    done = [*begun["done"], *begun["commands"][:commands]]
    _write(attempt.with_name(DONE), {"commands": done, "made_with": begun["made_with"]})


def facts_of(folder: Path) -> dict[str, Any]:
    """What a finished job says in a line of a table.

    Returns:
        `commit` and `decoder` of the training, and those of the tests, `test_commit` and `test_decoder`; the hashes of
        what it was made from; `wall_seconds` of all attempts; `host`.
    """
    facts = _read(folder / FINISHED)
    tested = {f"test_{name}": value for name, value in facts["tested_with"].items()}
    return {**facts["made_with"], **tested, "wall_seconds": facts["wall_seconds"], "host": facts["host"]}


def _read(file: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}); take it away, and what it was about is done anew") from error
    return facts


def _write(file: Path, facts: Mapping[str, Any]) -> None:
    """Whole or not at all: a queue reads it while another one, or a full disk, may be at it."""
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    unfinished.replace(file)


def _launcher(device: str) -> list[str]:
    processes = len(device.split(","))
    if processes == 1:
        return [sys.executable]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
