"""Subcommands that belong together, in a folder that tells how far they are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_selfdistill.commands.job_record import ATTEMPT, age, done_commands, read, seconds_done, write
from hf_selfdistill.commands.provenance import provenance
from hf_selfdistill.commands.same_command import difference
from hf_selfdistill.training.checkpoints import last_checkpoint

__all__ = ["WORKING", "Job"]

LOG, FAILED = "log.txt", "failed.txt"
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
        commands: words of each subcommand, its name first; where there is a training, it is the first one.
        made_from: of each of them, name → hash of what its words name and may change: an encoder, parts of a data set.
    """

    folder: Path
    commands: Commands
    made_from: tuple[Mapping[str, str], ...] = ()

    @property
    def remaining(self) -> Commands:
        """The commands that are still to do: those after what was done, by whichever attempt."""
        return self.commands[len(done_commands(self.folder)) :]

    @property
    def is_finished(self) -> bool:
        """Whether all its commands have succeeded."""
        return not self.remaining

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
        for before, now in zip(self._begun(), self._asked(), strict=False):
            if other := difference(before["words"], now["words"], before["made_from"], now["made_from"]):
                raise ValueError(
                    f"{self.folder} was made {other}; give another --output_dir, or take that folder away"
                )

    def start(self, device: str) -> subprocess.Popen[bytes]:
        """Begin with what remains, a training from its last checkpoint.

        Args:
            device: what CUDA_VISIBLE_DEVICES is set to, "" for none; on several, "0,1", there are as many processes.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        done = len(self.commands) - len(self.remaining)
        attempt: dict[str, Any] = {"done": done, "commands": self._asked()[done:], "made_with": provenance()}
        if self.remaining[0][0] in TRAININGS and last_checkpoint(self.folder) is not None:
            attempt["commands"][0]["words"] += RESUME
        attempt["seconds_before"] = self._seconds_spent()
        (self.folder / FAILED).unlink(missing_ok=True)  # who waits for this attempt must not take an earlier one's end
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
            log.flush()
            write(self.folder / ATTEMPT, {**attempt, "log_begins": log.tell()})
            return subprocess.Popen(
                [*_launcher(device), "-m", "hf_selfdistill.commands.run_job", str(self.folder / ATTEMPT)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": device},
            )

    def end(self, exit_code: int) -> None:
        """Write down why it failed, if it did."""
        (self.folder / FAILED).unlink(missing_ok=True)
        if exit_code != 0:
            log = (self.folder / LOG).read_bytes()[read(self.folder / ATTEMPT)["log_begins"] :]
            said = log.decode("utf-8", errors="replace").strip().splitlines()
            own = [line for line in said if line.startswith("error: ")]  # which a launcher writes a summary below
            (self.folder / FAILED).write_text([f"exit code {exit_code}", *said[-1:], *own][-1], encoding="utf-8")

    def _asked(self) -> list[dict[str, Any]]:
        """Each command as the record has it."""
        hashes = [*map(dict, self.made_from), *[{} for _ in self.commands[len(self.made_from) :]]]
        return [{"words": list(words), "made_from": own} for words, own in zip(self.commands, hashes, strict=True)]

    def _begun(self) -> list[dict[str, Any]]:
        """The commands that were finished, or the training that left a checkpoint behind."""
        done = done_commands(self.folder)
        if done or last_checkpoint(self.folder) is None or not (self.folder / ATTEMPT).is_file():
            return done
        return [read(self.folder / ATTEMPT)["commands"][0]]

    def _seconds_spent(self) -> float:
        """In earlier attempts; of one that was killed, until it last said something."""
        attempt, log = self.folder / ATTEMPT, self.folder / LOG
        if not (attempt.is_file() and log.is_file()):
            return seconds_done(self.folder)
        since = time.time() - log.stat().st_mtime
        return max(seconds_done(self.folder), read(attempt)["seconds_before"] + max(0.0, age(attempt) - since))


def _launcher(device: str) -> list[str]:
    processes = len(device.split(","))
    if processes == 1:
        return [sys.executable]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
