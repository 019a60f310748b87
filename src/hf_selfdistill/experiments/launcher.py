"""Launcher of experiments: local processes, one per device, or a cluster through submitit."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from hf_selfdistill.data.whole_files import write_whole
from hf_selfdistill.experiments.experiment import Experiment, Identities, as_plan, run_plan

__all__ = ["ClusterPlan", "launch"]

LOG, PLAN = "log.txt", "plan.json"


def launch(
    experiments: Sequence[Experiment],
    devices: Sequence[str] = ("0",),
    cluster: str | None = None,
    cluster_args: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> list[Experiment]:
    """Run the unfinished configs of all experiments; the same call resumes after an interruption.

    Args:
        experiments: all experiments; finished ones are skipped.
        devices: values of CUDA_VISIBLE_DEVICES; one experiment at a time on each. Several devices, "0,1", get as many
            processes. On a CPU the number of names is the number of parallel experiments.
        cluster: `"slurm"`, or submitit's `"local"` and `"debug"`; by default local processes.
        cluster_args: parameters of submitit's executor, such as `slurm_partition`.
        folder: folder of the cluster's files.

    Returns:
        The experiments that failed.

    Raises:
        ValueError: the cluster or a parameter of it is not available, or a folder holds a different run.
    """
    executor = None if cluster is None else _executor(cluster, cluster_args or {}, folder or Path("cluster"))
    identities = Identities()
    plans = {experiment: as_plan(experiment.remaining(identities)) for experiment in experiments}
    todo = {experiment: plan for experiment, plan in plans.items() if plan}
    for experiment, plan in todo.items():
        experiment.folder.mkdir(parents=True, exist_ok=True)
        write_whole(experiment.folder / PLAN, json.dumps(plan, indent=1))
    return _locally(list(todo), devices) if executor is None else _on_cluster(todo, executor)


def _locally(todo: Sequence[Experiment], devices: Sequence[str]) -> list[Experiment]:
    free: queue.SimpleQueue[str] = queue.SimpleQueue()
    for device in devices:
        free.put(device)
    running: set[subprocess.Popen[bytes]] = set()
    stopped = False

    def run(experiment: Experiment) -> bool:
        device = free.get()
        try:
            if stopped:
                return False
            with (experiment.folder / LOG).open("ab") as log:
                process = subprocess.Popen(
                    [*_launcher(device), "-m", "hf_selfdistill.experiments.run", str(experiment.folder / PLAN)],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "CUDA_VISIBLE_DEVICES": device},
                )
            running.add(process)
            succeeded = process.wait() == 0
            running.discard(process)
            return succeeded
        finally:
            free.put(device)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # batch systems send SIGTERM to end a job
    failed = []
    with ThreadPoolExecutor(len(devices)) as pool, tqdm(total=len(todo), desc="runs", unit="run") as bar:
        try:
            for experiment, succeeded in zip(todo, pool.map(run, todo), strict=True):
                bar.update()
                if not succeeded:
                    failed.append(experiment)
                    bar.write(f"failed: {experiment.folder}: {_last_line(experiment)}")
        except BaseException:
            stopped = True
            for process in list(running):
                process.terminate()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
    return failed


def _launcher(device: str) -> list[str]:
    processes = len(device.split(","))
    if processes == 1:
        return [sys.executable]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]


def _last_line(experiment: Experiment) -> str:
    lines = (experiment.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    return [f"see {LOG}", *lines[-1:], *errors[-1:]][-1]


class ClusterPlan:
    """Function of a cluster's job; submitit submits the job again after the time limit."""

    def __call__(self, plan: list[dict[str, Any]]) -> None:
        """Run a plan."""
        run_plan(plan)

    def checkpoint(self, plan: list[dict[str, Any]]) -> Any:
        """Return the same call, which continues from the last checkpoint."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, plan)


def _executor(cluster: str, args: Mapping[str, Any], folder: Path) -> Any:
    try:
        import submitit
    except ImportError:
        raise ImportError('a cluster needs submitit; install it with pip install "hf_selfdistill[cluster]"') from None
    try:
        executor = submitit.AutoExecutor(folder / "%j", cluster=cluster)
    except RuntimeError as error:  # srun is missing
        raise ValueError(f"`cluster` is {cluster}: {error}") from error
    try:
        executor.update_parameters(**args)
    except (AssertionError, NameError, ValueError) as error:
        raise ValueError(f"`cluster_args` can't be used: {error}") from error
    return executor


def _on_cluster(todo: Mapping[Experiment, list[dict[str, Any]]], executor: Any) -> list[Experiment]:
    jobs = executor.map_array(ClusterPlan(), list(todo.values())) if todo else []
    failed = []
    for experiment, job in zip(todo, tqdm(jobs, desc="runs", unit="run"), strict=True):
        if (error := job.exception()) is not None:
            failed.append(experiment)
            tqdm.write(f"failed: {experiment.folder}: {str(error).strip().splitlines()[-1]}; see {job.paths.stderr}")
    return failed
