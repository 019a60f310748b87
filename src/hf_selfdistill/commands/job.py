"""Subcommands that belong together, in a folder that tells how far they are."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """

    folder: Path
    commands: Commands

    @property
    def remaining(self) -> Commands:
        """The commands that are still to do: those after what was done, by whichever attempt."""
        return self.commands[len(self._done()) :]

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
            ValueError: it was made by other commands.
        """
        for before, now in zip(self._done() or self._interrupted(), self.commands, strict=False):
            if other := difference(before, now):
                raise ValueError(
                    f"{self.folder} was made {other}; give another --output_dir, or take that folder away"
                )

    def start(self, device: str) -> subprocess.Popen[bytes]:
        """Begin with what remains, a training from its last checkpoint.

        Args:
            device: what CUDA_VISIBLE_DEVICES is set to, "" for none; on several, "0,1", there are as many processes.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        attempt = {
            "done": self._done(), "commands": self._resuming(), "seconds_before": self._seconds_spent(), **provenance()
        }  # fmt: skip
        (self.folder / FAILED).unlink(missing_ok=True)  # who waits for this attempt must not take an earlier one's end
        _write(self.folder / ATTEMPT, attempt)
        with (self.folder / LOG).open("w", encoding="utf-8") as log:
            return subprocess.Popen(
                [*_launcher(device), "-m", "hf_selfdistill.commands.run_job", str(self.folder / ATTEMPT)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": device},
            )

    def end(self, exit_code: int) -> None:
        """Write down how it ended."""
        (self.folder / FAILED).unlink(missing_ok=True)
        if exit_code == 0:
            attempt = _read(self.folder / ATTEMPT)
            facts = {
                "wall_seconds": round(attempt["seconds_before"] + self._age(), 1),
                "host": socket.gethostname(),
                **{name: attempt[name] for name in ("commit", "decoder")},
                "commands": self.commands,
            }
            _write(self.folder / FINISHED, facts)
        else:
            said = (self.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            own = [line for line in said if line.startswith("error: ")]  # which a launcher writes a summary below
            (self.folder / FAILED).write_text([f"exit code {exit_code}", *said[-1:], *own][-1], encoding="utf-8")

    def _done(self) -> Sequence[Sequence[str]]:
        """The commands that succeeded."""
        files = [file for file in (self.folder / DONE, self.folder / FINISHED) if file.is_file()]
        return max((_read(file).get("commands", self.commands) for file in files), key=len, default=())

    def _interrupted(self) -> Sequence[Sequence[str]]:
        """The commands of an attempt that left a checkpoint behind."""
        if last_checkpoint(self.folder) is None or not (self.folder / ATTEMPT).is_file():
            return []
        commands: list[list[str]] = _read(self.folder / ATTEMPT)["commands"]
        return commands

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
    _write(attempt.with_name(DONE), {"commands": [*begun["done"], *begun["commands"][:commands]]})


def facts_of(folder: Path) -> dict[str, Any]:
    """What a finished job was made with: `wall_seconds` of all attempts, `host`, `commit` and `decoder`."""
    return {name: value for name, value in _read(folder / FINISHED).items() if name != "commands"}


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
