"""Many runs, some at a time, on several GPUs or machines; resumable."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import av
from tqdm.auto import tqdm

__all__ = ["Job", "run_jobs"]

COMMANDS, LOG, FINISHED, FAILED, CLAIM = "commands.json", "log.txt", "finished.json", "failed.txt", "claimed.txt"


@dataclass(frozen=True)
class Job:
    """Subcommands of `hf-selfdistill`, one after the other, in one process.

    Args:
        folder: for its log and its state.
        commands: words of each subcommand, its name first.
    """

    folder: Path
    commands: tuple[tuple[str, ...], ...]

    @property
    def is_finished(self) -> bool:
        """Whether all its commands have succeeded."""
        return (self.folder / FINISHED).is_file()

    @property
    def failure(self) -> str | None:
        """Why its last attempt failed."""
        file = self.folder / FAILED
        return file.read_text(encoding="utf-8") if file.is_file() and not self.is_finished else None


def run_jobs(jobs: Sequence[Job], devices: Sequence[str]) -> None:
    """Run what is not finished, one job at a time on each device.

    A job is claimed by a file in its folder. So the same call on several machines that share the folders works through
    one queue, and a killed call leaves nothing behind but an old claim, which its own machine takes over.

    Args:
        jobs: all of them; the finished ones are skipped, the failed ones tried again.
        devices: what CUDA_VISIBLE_DEVICES is set to, "" for none; as many jobs run at a time. A job on several, "0,1",
            has as many processes.
    """
    free: queue.SimpleQueue[str] = queue.SimpleQueue()
    for device in devices:
        free.put(device)
    todo = [job for job in jobs if not job.is_finished]
    with ThreadPoolExecutor(len(devices)) as pool, tqdm(total=len(todo), desc="runs", unit="run") as bar:
        for job, done in [(job, pool.submit(_on_free_device, job, free)) for job in todo]:
            done.result()
            bar.update()
            if job.failure:
                bar.write(f"failed: {job.folder}: {job.failure.strip().splitlines()[-1]}")


def _on_free_device(job: Job, free: queue.SimpleQueue[str]) -> None:
    device = free.get()
    try:
        if not job.is_finished and _claim(job.folder):
            _run(job, device)
            (job.folder / CLAIM).unlink()
    finally:
        free.put(device)


def _claim(folder: Path) -> bool:
    """Whether the job is now ours; not where another machine or a living process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    file, mine = folder / CLAIM, f"{socket.gethostname()} {os.getpid()}"
    try:
        with file.open("x", encoding="utf-8") as claim:
            claim.write(mine)
    except FileExistsError:
        host, _, process = file.read_text(encoding="utf-8").partition(" ")
        if host != socket.gethostname() or (process.isdigit() and Path(f"/proc/{process}").exists()):
            return False
        file.write_text(mine, encoding="utf-8")
    return True


def _run(job: Job, device: str) -> None:
    (job.folder / COMMANDS).write_text(json.dumps(job.commands, indent=1), encoding="utf-8")
    start = time.time()
    with (job.folder / LOG).open("w", encoding="utf-8") as log:
        done = subprocess.run(
            [*_launcher(device), "-m", "hf_selfdistill.commands.run_job", str(job.folder / COMMANDS)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": device},
            check=False,
        )
    (job.folder / FAILED).unlink(missing_ok=True)
    if done.returncode == 0:
        facts = {"wall_seconds": round(time.time() - start, 1), "host": socket.gethostname(), **_made_with()}
        (job.folder / FINISHED).write_text(json.dumps(facts), encoding="utf-8")
    else:
        said = (job.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        own = [line for line in said if line.startswith("error: ")]  # which a launcher writes a summary below
        (job.folder / FAILED).write_text([f"exit code {done.returncode}", *said[-1:], *own][-1], encoding="utf-8")


def _launcher(device: str) -> list[str]:
    processes = len(device.split(","))
    if processes == 1:
        return [sys.executable]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]


def _made_with() -> dict[str, str]:
    """The commit of the checkout that the package runs from, or its version, and the decoder."""
    here = Path(__file__)
    commit = _git(here, "rev-parse", "HEAD") if _git(here, "ls-files", here.name) else None
    return {"commit": commit or version("hf_selfdistill"), "decoder": f"PyAV {av.__version__}"}


def _git(file: Path, *words: str) -> str:
    try:
        said = subprocess.run(["git", *words], cwd=file.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or no checkout
        return ""
    return said.stdout.strip()
