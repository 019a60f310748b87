"""Many jobs, some at a time, on several GPUs or machines; resumable."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from hf_selfdistill.commands.job import WORKING, Job

__all__ = ["run_jobs"]

LOCK = "running.lock"
LOOK_AGAIN = 2  # seconds


def run_jobs(jobs: Sequence[Job], devices: Sequence[str]) -> None:
    """Run what is not finished, one job at a time on each device.

    Who runs a job holds a lock in its folder, which ends with its process, and so does the job itself. So the same
    call on several machines that share the folders works through one queue, each returns when all jobs are done, and
    what a killed call was at is taken over when it has ended.

    Args:
        jobs: all of them; the finished ones are skipped, the failed ones tried again.
        devices: what CUDA_VISIBLE_DEVICES is set to, "" for none; as many jobs run at a time. A job on several, "0,1",
            has as many processes.

    Raises:
        ValueError: a finished job was made by other commands.
        OSError: a job can't be started.
        KeyboardInterrupt: also by SIGTERM. As at any error what runs is ended, and nothing else is begun.
    """
    for job in jobs:
        job.check_unchanged()
    todo = [job for job in jobs if not job.is_finished]
    workers = _Workers(devices)
    with (
        _ended_as_interrupted(),
        ThreadPoolExecutor(len(devices)) as pool,
        tqdm(total=len(todo), desc="runs", unit="run") as bar,
    ):
        try:
            elsewhere = _work_through(todo, False, workers, pool, bar)
            _work_through(elsewhere, True, workers, pool, bar)
        except BaseException:  # an error, or an interruption; the pool would wait for all that is left
            workers.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _work_through(
    jobs: Sequence[Job], wait: bool, workers: _Workers, pool: ThreadPoolExecutor, bar: tqdm
) -> list[Job]:
    """The jobs that somebody else is at, of whom nobody waits unless he should."""
    elsewhere = []
    for job, done in [(job, pool.submit(workers.run, job, wait)) for job in jobs]:
        if not done.result():
            elsewhere.append(job)
            continue
        bar.update()
        if job.failure:
            bar.write(f"failed: {job.folder}: {job.failure.strip().splitlines()[-1]}")
    return elsewhere


class _Workers:
    """One job at a time on each device."""

    def __init__(self, devices: Sequence[str]) -> None:
        self.free: queue.SimpleQueue[str] = queue.SimpleQueue()
        for device in devices:
            self.free.put(device)
        self.running: set[subprocess.Popen[bytes]] = set()
        self.stopped = threading.Event()
        self.change = threading.Lock()

    def run(self, job: Job, wait: bool) -> bool:
        """Whether the job was ours to run; with `wait` it becomes ours when who is at it has ended."""
        device = self.free.get()
        lock = FileLock(job.folder / LOCK)
        try:
            job.folder.mkdir(parents=True, exist_ok=True)
            while not (ours := _acquired(lock, job.folder)) and wait and not self.stopped.wait(LOOK_AGAIN):
                pass
            if ours and not job.is_finished and not (wait and job.failure):
                self._run(job, device)
            return ours
        finally:
            lock.release()
            self.free.put(device)

    def stop(self) -> None:
        """End what runs."""
        with self.change:
            self.stopped.set()
            for process in self.running:
                process.terminate()

    def _run(self, job: Job, device: str) -> None:
        with self.change:
            if self.stopped.is_set():
                return
            try:
                process = job.start(device)
            except OSError:
                self.stopped.set()  # what the next one would meet too
                raise
            self.running.add(process)
        exit_code = process.wait()
        with self.change:
            self.running.remove(process)
            if not self.stopped.is_set():
                job.end(exit_code)


def _acquired(lock: FileLock, folder: Path) -> bool:
    """The lock of a queue; not where a killed one has left its process at work."""
    try:
        with lock.acquire(timeout=0), FileLock(folder / WORKING).acquire(timeout=0):
            lock.acquire()  # once more, to keep it
    except Timeout:
        return False
    return True


@contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """SIGTERM, by which batch systems end a call, as Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
